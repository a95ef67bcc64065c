"""The benchmark against the same weights without caches, on an untrained world."""

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from benchmarks.step_plain_model import PlainOutput, PlainWorldModel, band_mask
from benchmarks.step_without_caches import WithoutCachesConfig, difference, main, play, render
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size, tiny_world_model
from wm_gym.data.mixture import Mixture
from wm_gym.training.presets import untrained_world_model
from wm_gym.world_model import WorldModel
from wm_gym.world_noise import world_noise


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    data = Mixture((tiny_dataset(tmp_path_factory.mktemp("data")),))
    return untrained_world_model(data, tiny_autoencoder(), replace(tiny_size(), sink_rounds=0)).eval()


def run_plain(model: WorldModel, number: int, history: int | None = None) -> float:
    """How far the outputs of round `number` are apart."""
    moment = list(islice(play(model), number))[-1]
    moment = moment if history is None else moment.last(history)
    noise = world_noise(moment.state, (1, *moment.state.latents.shape[2:]))
    plain = PlainWorldModel(model).step(moment.frames, moment.texts, noise)
    return difference(model.step(moment.state, [moment.texts[-1]])[1], plain)


@pytest.mark.parametrize("number", [1, 3, 12])
def test_outputs_without_caches_are_those_of_the_step(model: WorldModel, number: int) -> None:
    assert run_plain(model, number) < 1e-5


def test_receptive_rounds_say_how_much_history_matters(model: WorldModel) -> None:
    rounds = PlainWorldModel(model).receptive_rounds
    assert rounds == 7
    assert run_plain(model, 12, history=rounds) < 1e-5
    with pytest.raises(ValueError, match="outputs must differ by at most"):
        run_plain(model, 12, history=1)


def test_band_mask_is_causal_and_ends_where_the_cache_does() -> None:
    seen = band_mask(3, 2, 1, torch.device("cpu"))[0, 0]
    assert seen.int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 0],
        [0, 0, 1, 1, 1, 1],
    ]


def test_other_outputs_are_refused(model: WorldModel) -> None:
    moment = next(play(model))
    _, ours = model.step(moment.state, [moment.texts[-1]])
    other = PlainOutput(
        frames=ours.frames, termination_probability=ours.termination_probability + 2e-4, uncertainty=ours.uncertainty
    )
    with pytest.raises(ValueError, match="at most 0.0001 and one grey level"):
        difference(ours, other)


def test_a_decoder_with_a_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="window of 1 chunk and no sink rounds, got 2 and 1"):
        PlainWorldModel(tiny_world_model(tmp_path, window_chunks=2))


def test_results_are_written_and_shown(model: WorldModel, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model.save_pretrained(tmp_path / "checkpoint")
    config = WithoutCachesConfig(
        checkpoint=str(tmp_path / "checkpoint"), rounds=(2, 9), repeats=2, output=tmp_path / "results" / "out.json"
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert [(case["round"], case["history_rounds"]) for case in results["cases"]] == [(2, 2), (9, 7), (9, 9)]
    assert results["episode"]["rounds"] == 9
    assert all(low <= case["speedup"] <= high for case in results["cases"] for low, high in [case["speedup_quartiles"]])
    assert all(case["speedup"] > 0 and case["largest_difference"] < 1e-5 for case in results["cases"])
