"""Sharpness."""

import numpy as np
import pytest

from tests.evaluation.long.broken import blurred, frozen, noise
from wm_gym.evaluation.long.sharpness import sharpness


def mean(windows: list[np.ndarray]) -> float:
    return float(np.mean([sharpness(window) for window in windows]))


def test_blur_lowers_it(rolling: list[np.ndarray]) -> None:
    assert mean(blurred(rolling)) < 0.4 * mean(rolling)


def test_noise_raises_it(rolling: list[np.ndarray]) -> None:
    assert mean(noise(rolling)) > 5 * mean(rolling)


def test_standing_still_leaves_it(rolling: list[np.ndarray]) -> None:
    assert mean(frozen(rolling)) == pytest.approx(mean(rolling), rel=0.05)


def test_flat_frame_has_none() -> None:
    assert sharpness(np.full((2, 16, 16, 3), 77, np.uint8)) == 0.0
