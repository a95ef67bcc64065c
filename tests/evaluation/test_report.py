"""The report of known dreams: half of them perfect, half frozen."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.dreamt import dreamt
from wm_gym.evaluation.config import ResolvedConfig
from wm_gym.evaluation.drift import DriftCounts
from wm_gym.evaluation.report import FidelityReport
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.scoring import cut_example, cut_strip, first_failure, score_rollout
from wm_gym.evaluation.states import ReaderCounts, StateReader, check_reader


def make_report(
    reader: StateReader | None, rollouts: list[RealRollout], dreams: list[np.ndarray], horizon: int
) -> FidelityReport:
    """Reports dreams with the true rewards and ends."""
    config = ResolvedConfig(
        world="minigrid",
        twin="envs:real/MiniGrid-v0",
        policies=("policies.minigrid:explorer",),
        lead_steps=(0, 0),
        rollouts=len(rollouts),
        horizon=horizon,
    )
    scores = [
        score_rollout(real, dreamt(real, dream), reader=reader, horizons=config.horizons, reward_threshold=0.5)
        for real, dream in zip(rollouts, dreams, strict=True)
    ]
    triples = zip(range(len(rollouts)), rollouts, scores, strict=True)
    failures = [failure for triple in triples if (failure := first_failure(*triple)) is not None]
    return FidelityReport(
        config=config,
        scores=tuple(scores),
        failures=tuple(failures),
        strips=tuple(cut_strip(each, rollouts[each.rollout], dreams[each.rollout]) for each in failures),
        drift={1000: DriftCounts(n=50, valid=50, exact=40)},
        example=cut_example(rollouts[0], dreams[0], config.horizons),
        reader=sum((check_reader(reader, real) for real in rollouts), ReaderCounts()) if reader else ReaderCounts(),
        distinct_starts=len(rollouts),
        provenance={"weights_hash": "abc", "num_denoising_steps": 1},
    )


@pytest.fixture(scope="module")
def report(reader: StateReader, explored: list[RealRollout]) -> FidelityReport:
    perfect = [real.observations[1:] for real in explored[:4]]
    frozen = [np.repeat(real.observations[:1], real.num_steps, axis=0) for real in explored[4:]]
    return make_report(reader, explored, perfect + frozen, horizon=16)


def test_state_accuracy_by_horizon(report: FidelityReport) -> None:
    frozen_right = sum(real.exact[15] for real in report.scores[4:])
    assert report.to_json()["state_accuracy"]["16"] == (4 + frozen_right) / 8
    assert list(report.to_json()["state_accuracy"]) == ["1", "4", "16"]


def test_n_is_given_in_all_and_by_horizon(report: FidelityReport) -> None:
    assert report.to_json()["n"] == 8
    assert report.to_json()["n_by_horizon"] == {"1": 8, "4": 8, "16": 8}


def test_dream_beats_the_held_frame(report: FidelityReport) -> None:
    data = report.to_json()
    assert data["state_accuracy"]["16"] > data["baseline_state_accuracy"]["16"]
    assert data["psnr"]["16"] > data["baseline_psnr"]["16"]
    assert data["ssim"]["16"] > data["baseline_ssim"]["16"]


def test_walls_of_a_held_frame_are_right(report: FidelityReport) -> None:
    assert set(report.to_json()["factors"]["walls"].values()) == {1.0}


def test_curves_have_a_value_a_step(report: FidelityReport) -> None:
    curves = report.to_json()["curves"]
    assert [len(curves[name]) for name in ("n", "state_accuracy", "psnr", "baseline_psnr")] == [16] * 4


def test_first_errors_name_the_frozen_rollouts(report: FidelityReport) -> None:
    assert {failure["rollout"] for failure in report.to_json()["first_errors"]["rollouts"]} <= {4, 5, 6, 7}


def test_texts_count_until_the_first_error(report: FidelityReport) -> None:
    rates = report.to_json()["first_errors"]["by_action"]
    assert sum(rate["errors"] for rate in rates.values()) == len(report.failures)
    for text, rate in rates.items():
        ends = {failure.rollout: failure.step for failure in report.failures}
        said = [score.actions[: ends.get(index, 16)].count(text) for index, score in enumerate(report.scores)]
        assert rate["uses"] == sum(said)


def test_perfect_dream_of_an_ended_episode(reader: StateReader, solved: RealRollout) -> None:
    data = make_report(reader, [solved], [solved.observations[1:]], horizon=64).to_json()
    assert (data["reward"]["f1"], data["termination"]["f1"]) == (1.0, 1.0)
    assert data["state_accuracy"]["1"] == 1.0
    assert (data["state_accuracy"]["64"], data["n_by_horizon"]["64"]) == (None, 0)


def test_unread_world_has_pixels_and_no_states(explored: list[RealRollout]) -> None:
    report = make_report(None, explored, [real.observations[1:] for real in explored], horizon=16)
    data = report.to_json()
    assert (data["state_accuracy"]["16"], data["factors"], data["reader"]) == (None, {}, None)
    assert (data["psnr"]["16"], data["n_by_horizon"]["16"]) == (pytest.approx(100.0), 8)
    assert "first wrong" not in report.table()


def test_reader_is_reported(report: FidelityReport) -> None:
    reader = report.to_json()["reader"]
    assert (reader["frames"], reader["accuracy"]) == (8 * 17, 1.0)
    assert set(reader["factors"].values()) == {1.0}


def test_file_holds_the_json(report: FidelityReport, tmp_path: Path) -> None:
    report.save(tmp_path / "deep" / "report.json")
    stored = json.loads((tmp_path / "deep" / "report.json").read_text())
    assert stored == json.loads(json.dumps(report.to_json()))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["report.json"]


def test_trust_figures_where_nothing_is_rewarded_or_ends(report: FidelityReport) -> None:
    numbers = report.to_json()
    assert numbers["reward"]["macro_f1"] is numbers["termination"]["macro_f1"] is None
    assert numbers["termination"]["brier"] == 0.0
    assert numbers["uncertainty"]["first_errors"] == len(report.failures)
