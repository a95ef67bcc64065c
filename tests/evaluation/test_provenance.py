"""Where numbers come from."""

import json

import torch

from wm_gym.evaluation.provenance import device_name, machine, package_versions


def test_versions_name_torch() -> None:
    assert package_versions()["torch"] == torch.__version__


def test_processor_has_a_name() -> None:
    assert device_name("cpu")


def test_machine_is_json() -> None:
    data = machine("cpu")
    assert json.loads(json.dumps(data)) == data
    assert data["device"] == "cpu" and data["threads"] == torch.get_num_threads()
