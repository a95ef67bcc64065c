"""The distance between sets of frames."""

import numpy as np
import pytest

from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.feature_distance import feature_distance
from wm_gym.evaluation.long.walks import LongWalk


@pytest.fixture
def real(walks: list[LongWalk]) -> list[np.ndarray]:
    return [walk.windows[8] for walk in walks]


def distance(windows: list[np.ndarray], real: list[np.ndarray]) -> float:
    return feature_distance(np.concatenate(windows), np.concatenate(real))


def test_same_frames_are_at_no_distance(real: list[np.ndarray]) -> None:
    assert distance(real, real) == pytest.approx(0.0, abs=1e-6)


def test_order_does_not_count(real: list[np.ndarray]) -> None:
    assert distance(shuffled(real), real) < 0.02


def test_other_walks_in_the_same_layouts_are_near(real: list[np.ndarray], others: list[LongWalk]) -> None:
    assert distance([walk.windows[8] for walk in others], real) < 0.1


def test_noise_is_far(real: list[np.ndarray]) -> None:
    assert distance(noise(real), real) > 0.6


def test_one_frozen_world_for_all_is_far(real: list[np.ndarray]) -> None:
    assert distance([frozen(real)[0]] * 4, real) > 0.25


def test_points_apart_are_at_distance_one() -> None:
    black, white = np.zeros((5, 16, 16, 3), np.uint8), np.full((5, 16, 16, 3), 255, np.uint8)
    assert feature_distance(black, white) == pytest.approx(1.0)
    assert feature_distance(black, black) == 0.0
