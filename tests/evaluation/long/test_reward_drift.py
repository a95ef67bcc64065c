"""Reward drift."""

import numpy as np
import pytest

from wm_gym.evaluation.long.reward_drift import RewardSegment, reward_drift


@pytest.fixture
def real() -> np.ndarray:
    return (np.random.default_rng(0).random((4, 100)) < 0.2).astype(np.float32)


def segments(dream: np.ndarray, real: np.ndarray) -> list[RewardSegment]:
    ends = real > 0
    return reward_drift(dream, real, dream > 0.5, ends, read_at=(10, 100), reward_range=(0.0, 1.0))


def test_segments_lie_between_the_readings(real: np.ndarray) -> None:
    assert [(each.first, each.last) for each in segments(real, real)] == [(1, 10), (11, 100)]


def test_real_rewards_do_not_drift(real: np.ndarray) -> None:
    assert [each.drift for each in segments(real, real)] == [0.0, 0.0]


def test_shuffled_rewards_keep_their_mean(real: np.ndarray) -> None:
    found = segments(real[::-1].copy(), real)
    assert [each.drift for each in found] == pytest.approx([0.0, 0.0], abs=1e-6)


def test_world_that_stops_paying_drifts_by_what_is_missing(real: np.ndarray) -> None:
    dream = real.copy()
    dream[:, 10:] = 0
    early, late = segments(dream, real)
    assert early.drift == 0.0
    assert late.drift == pytest.approx(float(real[:, 10:].mean()))
    assert late.dream_ends == 0.0 and late.real_ends == pytest.approx(1000 * float(real[:, 10:].mean()))


def test_world_that_always_pays_drifts_most(real: np.ndarray) -> None:
    assert segments(np.ones_like(real), real)[1].drift > 0.7
