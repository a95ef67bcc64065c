"""Simulation consistency."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.consistency import (
    Consistency,
    photometric_consistency,
    progressive_mean,
    simulation_consistency,
    style_consistency,
)
from wm_gym.evaluation.long.motion import motion
from wm_gym.evaluation.long.optical_flow import lucas_kanade


def score(windows: list[np.ndarray], real: list[np.ndarray]) -> float:
    """The mean score of windows that should move as the real ones do."""
    lively = float(np.mean([motion(each) for each in windows]) / np.mean([motion(each) for each in real]))
    found = [
        simulation_consistency(each, lucas_kanade(each), true[0], liveliness=lively)
        for each, true in zip(windows, real, strict=True)
    ]
    return float(np.mean([each.score for each in found]))


def test_real_frames_are_near_the_ceiling(rolling: list[np.ndarray]) -> None:
    assert score(rolling, rolling) > 0.93


@pytest.mark.parametrize(("broken", "most"), [(frozen, 0.0), (shuffled, 0.55), (noise, 0.05)])
def test_broken_frames_are_near_the_floor(
    rolling: list[np.ndarray], broken: Callable[[list[np.ndarray]], list[np.ndarray]], most: float
) -> None:
    assert score(broken(rolling), rolling) <= most


def test_parts_are_multiplied_and_liveliness_is_cut() -> None:
    parts = {"photometric": 0.5, "style": 0.5, "liveliness": 1.0}
    assert Consistency(**parts, validity=None).score == 0.25
    assert Consistency(**parts, validity=0.5).score == 0.125
    still = np.zeros((2, 8, 8, 3), np.uint8)
    assert simulation_consistency(still, lucas_kanade(still), still[0], liveliness=3.0).liveliness == 1.0


def test_style_sees_another_palette(rolling: list[np.ndarray]) -> None:
    window = rolling[0]
    assert style_consistency(window, window[0]) > 0.98
    assert style_consistency(255 - window, window[0]) < style_consistency(window, window[0]) - 0.02


def test_still_frames_explain_themselves(rolling: list[np.ndarray]) -> None:
    still = frozen(rolling)[0]
    assert photometric_consistency(still, lucas_kanade(still)) == pytest.approx(1.0, abs=1e-5)


def test_late_rounds_weigh_more() -> None:
    assert progressive_mean([1.0, 0.0]) == pytest.approx(1 / 3)
    assert progressive_mean([0.0, 1.0]) == pytest.approx(2 / 3)
