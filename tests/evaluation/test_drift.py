"""Drift over long rollouts."""

import numpy as np
import pytest

from wm_gym.evaluation.config import FidelityConfig, ResolvedConfig
from wm_gym.evaluation.drift import DriftCounts, count_drift, measure_drift
from wm_gym.evaluation.rollouts import LongRollout, collect_long_rollout, collect_rollout
from wm_gym.evaluation.states import StateReader
from wm_gym.evaluation.twin import Env, judging_twin
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

EXPLORER = "policies.minigrid:explorer"
STEP = 20


def resolved(model: WorldModel, **values: int) -> ResolvedConfig:
    """A config for the model."""
    return FidelityConfig(**values).resolve(model.card)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def long_rollouts(twin_env: Env) -> list[LongRollout]:
    return [collect_long_rollout(twin_env, EXPLORER, seed=seed, num_steps=STEP, keep=(STEP,)) for seed in range(3)]


@pytest.fixture(scope="module")
def true_chunks(twin_env: Env) -> np.ndarray:
    """The twin's chunks after the long rollouts' last step."""
    short = [collect_rollout(twin_env, EXPLORER, seed=seed, horizon=STEP) for seed in range(3)]
    return np.stack([rollout.observations[STEP] for rollout in short])


def test_true_chunks_are_valid_and_exact(
    twin_env: Env, reader: StateReader, long_rollouts: list[LongRollout], true_chunks: np.ndarray
) -> None:
    counts = count_drift(judging_twin(twin_env), reader, long_rollouts, STEP, true_chunks)
    assert counts == DriftCounts(n=3, valid=3, exact=3)


def test_start_held_is_valid_but_not_exact(
    twin_env: Env, reader: StateReader, long_rollouts: list[LongRollout]
) -> None:
    starts = np.stack([rollout.clip for rollout in long_rollouts])
    counts = count_drift(judging_twin(twin_env), reader, long_rollouts, STEP, starts)
    assert counts == DriftCounts(n=3, valid=3, exact=0)


def test_black_frame_is_invalid(
    twin_env: Env, reader: StateReader, long_rollouts: list[LongRollout], true_chunks: np.ndarray
) -> None:
    broken = true_chunks.copy()
    broken[1] = 0
    assert count_drift(judging_twin(twin_env), reader, long_rollouts, STEP, broken) == DriftCounts(
        n=3, valid=2, exact=2
    )


def test_drift_is_counted_over_all_batches(random_model: WorldModel, twin_env: Env) -> None:
    config = resolved(random_model, drift_rollouts=3, drift_steps=12, batch_size=2)
    counts = measure_drift(random_model, twin_env, config, sampling=StepArguments(), on_step=int)
    assert {step: count.n for step, count in counts.items()} == {10: 3, 12: 3}


def test_no_long_rollouts_no_drift(random_model: WorldModel, twin_env: Env) -> None:
    assert measure_drift(random_model, twin_env, resolved(random_model), sampling=StepArguments(), on_step=int) == {}


def test_json_holds_shares() -> None:
    data = DriftCounts(n=4, valid=3, exact=1).to_json()
    assert (data["valid"], data["state_accuracy"], data["n"]) == (0.75, 0.25, 4)
