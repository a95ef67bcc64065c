"""The benchmark of a world's age, on an untrained world."""

import json
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import pytest
import torch

from benchmarks.long_run import LongRunConfig, grow, main, measure, render, take_turns
from tests.worlds import write_tiny_checkpoint
from wm_gym.world_model import WorldModel


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> LongRunConfig:
    folder = tmp_path_factory.mktemp("long_run")
    write_tiny_checkpoint(folder / "checkpoint", window_chunks=2)
    return LongRunConfig(
        checkpoint=str(folder / "checkpoint"), young=6, old=9, repeats=2, output=folder / "results" / "long_run.json"
    )


def test_states_have_the_ages_asked_for_and_the_same_shapes(config: LongRunConfig) -> None:
    states = grow(WorldModel.from_pretrained(config.checkpoint), replace(config, batch=2), (6, 9))
    assert {age: state.rounds.tolist() for age, state in states.items()} == {6: [6, 6], 9: [9, 9]}
    young, old = ({name: tensor.shape for name, tensor in states[age].tensors().items()} for age in (6, 9))
    assert young == old


def test_timing_leaves_the_states_as_they_are(config: LongRunConfig) -> None:
    model = WorldModel.from_pretrained(config.checkpoint)
    states = grow(model, config, (6, 9))
    before = {name: tensor.clone() for name, tensor in states[9].tensors().items()}
    milliseconds = take_turns([(model, state) for state in states.values()], repeats=3, clock=perf_counter)
    assert [len(times) for times in milliseconds] == [3, 3]
    assert all(torch.equal(tensor, before[name]) for name, tensor in states[9].tensors().items())


def test_ages_that_do_not_rise_are_refused(config: LongRunConfig) -> None:
    with pytest.raises(ValueError, match="young must be at least 1 and below old, got 9 and 9"):
        measure(replace(config, young=9))


def test_results_are_written_and_shown(config: LongRunConfig, capsys: pytest.CaptureFixture[str]) -> None:
    main(config)
    results = json.loads(Path(config.output).read_text())
    assert render(results) in capsys.readouterr().out
    early, late = results["ages"]
    assert (early["round"], late["round"], early["state_bytes"]) == (6, 9, late["state_bytes"])
    low, high = results["ratio_quartiles"]
    assert low <= results["ratio"] <= high
    assert not results["reference"]


def test_another_checkpoint_takes_its_turns(config: LongRunConfig) -> None:
    results = measure(replace(config, reference=config.checkpoint))
    assert results["reference"]["weights_hash"] == results["weights_hash"]
    assert "early against the reference" in render(results)
