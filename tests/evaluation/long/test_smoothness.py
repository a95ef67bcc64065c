"""Transition smoothness."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.consistency import photometric_consistency
from wm_gym.evaluation.long.optical_flow import lucas_kanade
from wm_gym.evaluation.long.smoothness import MOVING, transition_smoothness


def explained(windows: list[np.ndarray]) -> float:
    """The mean score over what moves, weighed by what the flow explains: what the report shows."""
    scores = []
    for window in windows:
        flows = lucas_kanade(window)
        score = transition_smoothness(flows, least_speed=MOVING).score
        scores.append(score * photometric_consistency(window, flows))
    return float(np.mean(scores))


def test_score_is_the_formula() -> None:
    flows = np.zeros((3, 2, 4, 4), np.float32)
    flows[:, 1] = np.array([3.0, 5.0, 5.0])[:, None, None]
    found = transition_smoothness(flows, weight=0.5)
    assert (found.speed, found.jerk) == (5.0, 0.0)  # of the changes 0, 2, 0
    flows[:, 1] = np.array([1.0, 3.0, 7.0])[:, None, None]
    found = transition_smoothness(flows, weight=0.5)
    assert (found.speed, found.jerk) == (3.0, 2.0)
    assert found.score == pytest.approx(3 * np.exp(-1))


def test_still_pixels_make_it_zero_unless_left_out() -> None:
    flows = np.zeros((2, 2, 8, 8), np.float32)
    flows[:, 0, :2] = 2.0
    assert transition_smoothness(flows).score == 0.0
    assert transition_smoothness(flows, least_speed=MOVING).score == 2.0


def test_nothing_moving_scores_zero() -> None:
    assert transition_smoothness(np.zeros((2, 2, 8, 8), np.float32), least_speed=MOVING).score == 0.0


@pytest.mark.parametrize("broken", [frozen, shuffled, noise])
def test_broken_worlds_are_far_below_real_ones(
    rolling: list[np.ndarray], broken: Callable[[list[np.ndarray]], list[np.ndarray]]
) -> None:
    assert explained(broken(rolling)) < 0.25 * explained(rolling)
