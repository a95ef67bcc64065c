"""The benchmark of doubts: what each measure is, on an untrained model, and the report of a short run."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.uncertainty import MEASURES, UncertaintyConfig, main, step_doubting
from tests.worlds import tiny_world_model
from wm_gym.world_model import WorldModel


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return tiny_world_model(tmp_path_factory.mktemp("data"), chunk_frames=2)


def test_the_dream_goes_on_as_without_doubts(model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][:2], seeds=[0, 1])
    after, _, doubts = step_doubting(model, state, ["go left", "wait"])
    expected, output = model.step(state, ["go left", "wait"])
    assert torch.equal(after.frames, expected.frames)
    assert torch.equal(doubts["round trip"], output.uncertainty)
    assert tuple(doubts) == MEASURES


def test_other_noise_is_the_whole_doubt_of_seeds(model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][:2], seeds=[0, 1])
    _, _, doubts = step_doubting(model, state, ["go left", "wait"])
    other, _ = model.step(state.reseed([2**40, 2**40 + 1]), ["go left", "wait"])
    here, _ = model.step(state, ["go left", "wait"])
    cells = (here.latents - other.latents).pow(2).mean(dim=2).sqrt()
    torch.testing.assert_close(doubts["seeds"], cells.flatten(1).amax(dim=1))
    assert (doubts["seeds"] > 0).all()
    assert (doubts["flow"] > 0).all()


def test_report_of_a_short_run(tmp_path: Path) -> None:
    path = tmp_path / "uncertainty.json"
    main(UncertaintyConfig(checkpoints=("minigrid",), rollouts=2, horizon=3, batch_size=2, output=path))
    (case,) = json.loads(path.read_text())["cases"]
    assert (case["checkpoint"], case["rollouts"]) == ("minigrid", 2)
    assert {name: found["steps"] for name, found in case["measures"].items()} == dict.fromkeys(MEASURES, 6)
