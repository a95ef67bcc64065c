"""The whole evaluation, of a world model that knows nothing."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.fidelity import evaluate_fidelity, evaluate_model
from wm_gym.evaluation.report import FidelityReport
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.world_model import WorldModel

CONFIG = FidelityConfig(rollouts=7, horizon=6, batch_size=4, failure_strips=3, drift_rollouts=2, drift_steps=10, seed=5)


@pytest.fixture(scope="module")
def report(random_model: WorldModel) -> FidelityReport:
    return evaluate_model(random_model, CONFIG, progress=False)


def without_time(report: FidelityReport) -> Any:
    """The report as JSON gives it back, but the wall time."""
    data = report.to_json()
    assert data.pop("wall_seconds") > 0
    return json.loads(json.dumps(data, allow_nan=False))


def test_same_seed_gives_same_report(random_model: WorldModel, report: FidelityReport) -> None:
    again = evaluate_model(random_model, CONFIG, progress=False)
    assert without_time(again) == without_time(report)


def test_other_seed_gives_other_rollouts(random_model: WorldModel, report: FidelityReport) -> None:
    other = evaluate_model(random_model, replace(CONFIG, seed=6, drift_rollouts=0), progress=False)
    assert not set(other.to_json()["seeds"]) & set(report.to_json()["seeds"])


def test_every_rollout_is_scored_once(report: FidelityReport) -> None:
    assert len(set(report.to_json()["seeds"])) == report.to_json()["n"] == 7


def test_policies_take_turns(report: FidelityReport) -> None:
    assert [score.policy for score in report.scores] == [PLANS["minigrid"].policies[index % 3] for index in range(7)]


def test_ignorant_model_is_wrong(report: FidelityReport) -> None:
    assert report.to_json()["state_accuracy"]["6"] == 0.0
    assert len(report.failures) == 7


def test_strips_are_limited(report: FidelityReport) -> None:
    assert [strip.failure.rollout for strip in report.strips] == [0, 1, 2]


def test_strips_hold_no_other_frames_alive(report: FidelityReport) -> None:
    assert all(strip.real.base is None for strip in report.strips)


def test_report_names_weights_and_sampling(random_model: WorldModel, report: FidelityReport) -> None:
    data = report.to_json()
    assert data["weights_hash"] == random_model.card.weights_hash != ""
    assert (data["num_denoising_steps"], data["dtype"], data["device"]) == (1, "float32", "cpu")


def test_reader_is_checked_on_every_real_frame(report: FidelityReport) -> None:
    assert report.reader.frames == report.reader.whole == sum(score.num_steps + 1 for score in report.scores)


def test_drift_is_reported(report: FidelityReport) -> None:
    assert report.to_json()["drift"]["10"]["n"] == 2


def test_table_renders(report: FidelityReport) -> None:
    assert "whole state equal" in report.table()


def test_missing_checkpoint_is_named() -> None:
    with pytest.raises(ValueError, match="no-such-world"):
        evaluate_fidelity(replace(CONFIG, checkpoint="no-such-world"), progress=False)


def test_sampling_is_passed_on(random_model: WorldModel) -> None:
    config = replace(CONFIG, rollouts=1, drift_rollouts=0, num_denoising_steps=3, temperature=0.0)
    data = evaluate_model(random_model, config, progress=False).to_json()
    assert (data["num_denoising_steps"], data["temperature"]) == (3, 0.0)
    assert np.isfinite(data["psnr"]["1"])
