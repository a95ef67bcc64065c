"""From screen to frame: what is cropped, what is averaged, and how bright the ball stays."""

import itertools

import numpy as np
import pytest

from envs.pong.frames import BACKGROUND, BALL, PLAYER, coverage, preprocess


def draw(*things: tuple[np.ndarray, int, int, int, int]) -> np.ndarray:
    """A screen with (color, left, top, width, height) in the playfield."""
    screen = np.full((210, 160, 3), BACKGROUND, np.uint8)
    for color, left, top, width, height in things:
        screen[34 + top : 34 + top + height, left : left + width] = color
    return screen


def contrast(frame: np.ndarray, color: np.ndarray) -> np.ndarray:
    """How far each pixel is on the way from the background to a color."""
    span = color.astype(float) - BACKGROUND
    shares: np.ndarray = (frame.astype(float) - BACKGROUND) @ span / (span @ span)
    return shares


def test_empty_playfield_is_all_background() -> None:
    frame = preprocess(draw())
    assert frame.shape == (64, 64, 3) and frame.dtype == np.uint8
    assert (frame == BACKGROUND).all()


def test_score_and_walls_are_cut_off() -> None:
    screen = draw()
    screen[:34] = BALL
    screen[194:] = BALL
    assert (preprocess(screen) == BACKGROUND).all()


def test_paddle_is_shrunk_by_area() -> None:
    shares = contrast(preprocess(draw((PLAYER, 140, 50, 4, 16))), PLAYER)
    assert shares.sum() == pytest.approx(4 * 16 / 2.5**2, abs=0.2)
    np.testing.assert_allclose(shares[20:26, 55:59], [[0.0, 1.0, 0.6, 0.0]] * 6, atol=0.01)


def test_brightest_pixel_of_a_ball_has_a_contrast_of_at_least_0_63_wherever_it_is() -> None:
    places = itertools.product(range(60, 65), range(60, 65))  # all phases of 2.5 native pixels a pixel
    peaks = [contrast(preprocess(draw((BALL, left, top, 2, 4))), BALL).max() for left, top in places]
    assert min(peaks) == pytest.approx(0.63, abs=0.01) and np.mean(peaks) > 0.85


def test_every_phase_of_a_ball_looks_different() -> None:
    places = itertools.product(range(60, 65), range(60, 65))
    assert len({preprocess(draw((BALL, left, top, 2, 4))).tobytes() for left, top in places}) == 25


def test_coverage_is_the_share_of_each_cell() -> None:
    covered = coverage(np.array([1.0, -3.0]), np.array([4.0, 4.0]))
    np.testing.assert_allclose(covered[:, :3], [[0.6, 1.0, 0.0], [0.4, 0.0, 0.0]])


@pytest.mark.parametrize(
    "screen", [np.zeros((160, 160, 3), np.uint8), np.zeros((210, 160, 3)), [[0]]], ids=["cropped", "float", "list"]
)
def test_other_than_a_screen_is_refused(screen: object) -> None:
    with pytest.raises(
        ValueError, match=r"screen must be a uint8 array of shape \(210, 160, 3\), got .*; pass the RGB"
    ):
        preprocess(screen)  # type: ignore[arg-type]
