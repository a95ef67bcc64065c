"""Optical flow, checked on discs whose speed is known."""

import numpy as np
import pytest

from envs.balls.drawing import PIXELS_PER_UNIT, draw
from envs.balls.laws import Ball
from wm_gym.evaluation.long.optical_flow import lucas_kanade, unexplained


def disc(x: float, y: float) -> np.ndarray:
    return draw([Ball(place=(x / PIXELS_PER_UNIT, y / PIXELS_PER_UNIT), velocity=(0.0, 0.0), radius=1.2)])


@pytest.fixture(scope="module")
def moved() -> np.ndarray:
    return np.stack([disc(20.0, 30.0), disc(22.0, 29.0)])


def test_disc_moves_at_its_speed(moved: np.ndarray) -> None:
    down, right = lucas_kanade(moved)[0]
    assert right[28:33, 18:23].mean() == pytest.approx(2.0, abs=0.25)
    assert down[28:33, 18:23].mean() == pytest.approx(-1.0, abs=0.25)


def test_equal_frames_do_not_move(moved: np.ndarray) -> None:
    assert not lucas_kanade(moved[[0, 0]]).any()


def test_motion_explains_what_moves(moved: np.ndarray) -> None:
    flows = lucas_kanade(moved)
    assert unexplained(moved, flows)[0] < 0.15 * unexplained(moved, np.zeros_like(flows))[0]


def test_one_frame_is_refused(moved: np.ndarray) -> None:
    with pytest.raises(ValueError, match="frames must be at least 2, got 1"):
        lucas_kanade(moved[:1])
