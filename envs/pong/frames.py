"""From an Atari screen of Pong to a frame of the world: the playfield alone, shrunk by area, its ball kept bright.

The playfield is a square of 160 native pixels, a frame one of 64, so a pixel of a frame is a cell of 2.5 native
pixels. The ball, 2 native pixels wide, covers as little as 0.32 of its brightest cell: drawn with that opacity it would
pale beside the paddles. Its opacity is therefore sqrt(coverage / 0.8), 0.8 being all that it can cover of a cell: at
least 0.63 in its brightest pixel, and still a map that can be turned back into the ball's exact place.
"""

import numpy as np
import numpy.typing as npt

SCREEN_SHAPE = (210, 160, 3)
FRAME_SIZE = 64
FIELD_SIZE = 160  # native pixels
CELL = FIELD_SIZE / FRAME_SIZE  # native pixels a pixel of a frame
FIELD_TOP = 34  # the score and the upper wall are above

BALL_WIDTH, BALL_HEIGHT = 2, 4  # native pixels, as the following
PADDLE_WIDTH, PADDLE_HEIGHT = 4, 16
OPPONENT_X, PLAYER_X = 16, 140
FULL_COVERAGE = BALL_WIDTH / CELL

BACKGROUND = np.array([144, 72, 17], np.uint8)
BALL = np.array([236, 236, 236], np.uint8)
PLAYER = np.array([92, 186, 92], np.uint8)
OPPONENT = np.array([213, 130, 74], np.uint8)

Floats = npt.NDArray[np.float64]


def preprocess(screen: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The frame (64, 64, 3) of an RGB screen (210, 160, 3), both uint8.

    Raises:
        ValueError: `screen` has another shape or dtype.
    """
    if not isinstance(screen, np.ndarray) or screen.shape != SCREEN_SHAPE or screen.dtype != np.uint8:
        got = f"{screen.dtype} {screen.shape}" if isinstance(screen, np.ndarray) else type(screen).__name__
        raise ValueError(
            f"screen must be a uint8 array of shape {SCREEN_SHAPE}, got {got}; pass the RGB screen of ALE's Pong"
        )
    field = crop(screen)
    ball = is_ball(field)
    opacity = np.sqrt(np.minimum(shrink(ball.astype(np.float64)) / FULL_COVERAGE, 1.0))[..., None]
    rest = field.astype(np.float64)
    rest[ball] = BACKGROUND
    shrunk = np.stack([shrink(rest[..., channel]) for channel in range(3)], axis=-1)
    return np.rint(shrunk + opacity * (BALL - shrunk)).astype(np.uint8)


def crop(screen: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The playfield (160, 160, 3) of a screen."""
    return screen[FIELD_TOP : FIELD_TOP + FIELD_SIZE]


def is_ball(field: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which native pixels of a playfield show the ball, (160, 160)."""
    red, green, blue = (field[..., channel] == BALL[channel] for channel in range(3))
    flags: npt.NDArray[np.bool_] = red & green & blue
    return flags


def shrink(values: Floats) -> Floats:
    """The mean over each cell: (160, 160) to (64, 64)."""
    shrunk: Floats = _OVERLAP @ values @ _OVERLAP.T
    return shrunk


def coverage(start: Floats, length: Floats) -> Floats:
    """Which share of each of the 64 cells of a line is covered by stretches of native pixels.

    Args:
        start: first native pixel of each stretch, (stretches,); what lies outside the line covers nothing.
        length: native pixels of each.

    Returns:
        (stretches, 64), each in [0, 1].
    """
    left = np.arange(FRAME_SIZE) * CELL
    end = np.minimum((start + length)[:, None], left + CELL)
    covered: Floats = np.maximum(end - np.maximum(start[:, None], left), 0.0) / CELL
    return covered


def to_frame(native: float) -> float:
    """A native coordinate of the playfield in pixels of a frame; whole native pixels give tenths."""
    return round(native / CELL, 1)


_OVERLAP = coverage(np.arange(FIELD_SIZE, dtype=np.float64), np.ones(FIELD_SIZE)).T
