"""Worlds side by side, of a model that knows none of them."""

import json
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from wm_gym.evaluation.config import FidelityConfig, FollowingConfig
from wm_gym.evaluation.general import GeneralReport, evaluate_general
from wm_gym.evaluation.general_plots import draw_contact_sheet, plot_general
from wm_gym.world_model import WorldModel

CONFIG = FidelityConfig(rollouts=3, horizon=4, batch_size=8, drift_rollouts=1, drift_steps=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("probes")


@pytest.fixture(scope="module")
def report(general_model: WorldModel, folder: Path) -> GeneralReport:
    following = FollowingConfig(num_probes=12, num_training_probes=12, classifier_iterations=2, probes=folder)
    return evaluate_general(general_model, ("minigrid", "pong"), CONFIG, following, progress=False)


def test_every_world_is_measured_against_its_own_twin(report: GeneralReport) -> None:
    assert {name: world.fidelity.config.twin for name, world in report.worlds.items()} == {
        "minigrid": "envs:real/MiniGrid-v0",
        "pong": "envs:real/Pong-v0",
    }
    assert set(report.worlds["pong"].fidelity.factor_curves) == {"ball", "num_balls", "player", "opponent"}


def test_drift_is_measured_where_a_policy_never_ends(report: GeneralReport) -> None:
    assert list(report.worlds["minigrid"].fidelity.drift) == [3]
    assert not report.worlds["pong"].fidelity.drift


def test_judge_is_the_state_where_all_can_be_foreseen(report: GeneralReport) -> None:
    judges = {name: world.following.judge for name, world in report.worlds.items() if world.following}
    assert judges == {"minigrid": "exact state", "pong": "inverse dynamics"}


def test_probes_and_classifier_are_kept_and_found(
    general_model: WorldModel, report: GeneralReport, folder: Path
) -> None:
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(kept) == {
        "minigrid-test-12-0.npz",
        "pong-test-12-0.npz",
        "pong-train-12-0.npz",
        "pong-inverse-dynamics.safetensors",
    }
    following = FollowingConfig(num_probes=12, num_training_probes=12, classifier_iterations=2, probes=folder)
    again = evaluate_general(general_model, ("pong",), CONFIG, following, progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == kept
    assert again.worlds["pong"].following == report.worlds["pong"].following


def test_file_holds_every_world(report: GeneralReport, tmp_path: Path) -> None:
    report.save(tmp_path / "deep" / "general.json")
    stored = json.loads((tmp_path / "deep" / "general.json").read_text())
    assert list(stored["worlds"]) == ["minigrid", "pong"]
    assert stored["worlds"]["pong"]["fidelity"]["n"] == 3
    assert stored["worlds"]["pong"]["following"]["num_training_probes"] == 12
    assert stored["config"]["num_probes"] == 12


def test_table_has_a_column_a_world(report: GeneralReport) -> None:
    lines = report.table().splitlines()
    assert lines[1].split() == ["minigrid", "pong"]
    assert next(line for line in lines if line.startswith("rollouts")).split() == ["rollouts", "3", "3"]
    assert any(line.startswith("pong, right at steps 1, 4: ball ") for line in lines)


def test_pictures_are_drawn(report: GeneralReport, tmp_path: Path) -> None:
    plot_general(report, tmp_path / "plots" / "general.png")
    draw_contact_sheet(report, tmp_path / "plots" / "sheet.png")
    assert np.asarray(imageio.imread(tmp_path / "plots" / "general.png")).shape[:2] == (528, 1650)
    assert np.asarray(imageio.imread(tmp_path / "plots" / "sheet.png")).shape[:2] == (704, 627)


def test_world_without_its_simulator_is_said_to_be_missing(
    general_model: WorldModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ale_py", None)
    monkeypatch.delitem(sys.modules, "envs.pong.twin", raising=False)
    report = evaluate_general(general_model, ("pong",), CONFIG, FollowingConfig(num_probes=0), progress=False)
    assert not report.worlds
    assert "wm-gym[pong]" in report.missing["pong"]
    assert "pong was not measured: " in report.table()


def test_following_can_be_left_out(general_model: WorldModel) -> None:
    config = FidelityConfig(rollouts=1, horizon=1)
    report = evaluate_general(general_model, ("minigrid",), config, FollowingConfig(num_probes=0), progress=False)
    assert report.worlds["minigrid"].following is None
    assert "action following" not in report.table()


def test_twin_of_one_world_is_refused(general_model: WorldModel) -> None:
    config = FidelityConfig(twin="envs:real/MiniGrid-v0")
    with pytest.raises(ValueError, match="twin must be left out to compare worlds, got 'envs:real/MiniGrid-v0'"):
        evaluate_general(general_model, ("pong",), config, FollowingConfig(), progress=False)
