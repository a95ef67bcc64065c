"""The pixel reader on drawn frames: exact places, missing and surplus things, noise. Real frames are in `test_pong`."""

import itertools

import numpy as np
import pytest

from envs.pong.frames import BACKGROUND, BALL, OPPONENT, PLAYER, preprocess
from envs.pong.reader import read_state


def draw(
    ball: tuple[int, int] | None = (80, 70), player: int | None = 60, opponent: int | None = 31, second: bool = False
) -> np.ndarray:
    """A frame with things at these native places."""
    field = np.full((160 + 32, 160, 3), BACKGROUND, np.uint8)  # 16 rows more at both ends, for what walls hide
    for top, left, color in ((player, 140, PLAYER), (opponent, 16, OPPONENT)):
        if top is not None:
            field[16 + top : 32 + top, left : left + 4] = color
    for left, top in ([] if ball is None else [ball]) + [(100, 20)] * second:
        field[16 + top : 20 + top, left : left + 2] = BALL
    screen = np.full((210, 160, 3), BACKGROUND, np.uint8)
    screen[34:194] = field[16:-16]
    return preprocess(screen)


def test_ball_is_read_to_a_tenth_of_a_pixel_in_every_phase() -> None:
    for left, top in itertools.product(range(70, 75), range(90, 95)):
        x, y = read_state(draw(ball=(left, top)))["ball"]
        assert x == round((left + 1) / 2.5, 1) and y == pytest.approx((top + 2) / 2.5, abs=0.1)


@pytest.mark.parametrize("top", [-12, -1, 0, 1, 77, 144, 156])
def test_paddles_are_read_to_a_native_row_even_half_hidden(top: int) -> None:
    state = read_state(draw(player=top, opponent=top))
    assert state["player"] == state["opponent"] == round((top + 8) / 2.5, 1)


def test_ball_before_a_paddle_hides_neither() -> None:
    state = read_state(draw(ball=(141, 72)))
    assert (state["ball"][0], state["player"]) == (56.8, 27.2)


def test_what_is_not_there_reads_as_none() -> None:
    state = read_state(draw(ball=None, player=None, opponent=None))
    assert state == {"ball": None, "num_balls": 0, "player": None, "opponent": None}


def test_second_ball_is_counted() -> None:
    assert read_state(draw(second=True))["num_balls"] == 2


def test_reader_bears_noise() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        left, top = int(rng.integers(30, 130)), int(rng.integers(5, 150))
        noisy = draw(ball=(left, top)) + rng.normal(0, 12, (64, 64, 3))
        state = read_state(noisy.clip(0, 255).astype(np.uint8))
        np.testing.assert_allclose(state["ball"], [(left + 1) / 2.5, (top + 2) / 2.5], atol=0.8)
        assert state["player"] == pytest.approx(27.2, abs=0.8) and state["opponent"] == pytest.approx(15.6, abs=0.8)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.float32), [[0]]],
    ids=["chunk", "float", "list"],
)
def test_other_than_a_frame_is_refused(frame: object) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_state(frame)  # type: ignore[arg-type]
