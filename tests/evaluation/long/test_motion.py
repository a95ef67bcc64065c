"""Motion."""

import numpy as np

from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.motion import motion


def mean(windows: list[np.ndarray]) -> float:
    return float(np.mean([motion(window) for window in windows]))


def test_frozen_has_none(rolling: list[np.ndarray]) -> None:
    assert mean(frozen(rolling)) == 0.0
    assert mean(rolling) > 0.5


def test_jumping_between_worlds_has_far_more(rolling: list[np.ndarray]) -> None:
    assert mean(shuffled(rolling)) > 2 * mean(rolling)
    assert mean(noise(rolling)) > 10 * mean(rolling)


def test_single_frame_has_no_answer() -> None:
    assert np.isnan(motion(np.zeros((1, 8, 8, 3), np.uint8)))


def test_levels_are_eight_bit() -> None:
    assert motion(np.stack([np.full((4, 4, 3), level, np.uint8) for level in (10, 250)])) == 240.0
