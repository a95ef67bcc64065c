"""Reads the state of Pong off a frame alone: paddles and ball by the best fit of every place they can be.

A frame is unmixed into how much of each pixel is ball, player and opponent. Each is then compared with what
`envs.pong.frames` makes of it at every native row (and column), so places come out to a native pixel, 0.4 pixels.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.pong.frames import (
    BACKGROUND,
    BALL,
    BALL_HEIGHT,
    BALL_WIDTH,
    CELL,
    FIELD_SIZE,
    FRAME_SIZE,
    FULL_COVERAGE,
    OPPONENT,
    OPPONENT_X,
    PADDLE_HEIGHT,
    PADDLE_WIDTH,
    PLAYER,
    PLAYER_X,
    Floats,
    coverage,
    to_frame,
)

MIN_OPACITY = 0.25  # fainter than the brightest pixel of a ball that a wall all but hides
MIN_SECOND_OPACITY = 0.5  # fainter than the brightest pixel of any whole ball
BALL_REACH = 2  # pixels around the 2 x 2 brightest ones that can still be the ball's

_SHAPE = (FRAME_SIZE, FRAME_SIZE, 3)

_BALL_COLUMNS = np.arange(FIELD_SIZE - BALL_WIDTH + 1, dtype=np.float64)
_COLUMN_PROFILES = coverage(_BALL_COLUMNS, np.full(len(_BALL_COLUMNS), float(BALL_WIDTH)))
_PADDLE_TOPS = np.arange(1 - PADDLE_HEIGHT, FIELD_SIZE, dtype=np.float64)
_PADDLE_PROFILES = coverage(_PADDLE_TOPS, np.full(len(_PADDLE_TOPS), float(PADDLE_HEIGHT)))


def read_state(frame: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """The state that a frame shows, with the keys of `envs.pong.twin.Pong.state`.

    `num_balls` is 2 when there is a second bright spot away from the brightest, which is taken for the ball.

    Args:
        frame: uint8 (64, 64, 3).

    Raises:
        ValueError: `frame` has another shape or dtype.
    """
    if not isinstance(frame, np.ndarray) or frame.shape != _SHAPE or frame.dtype != np.uint8:
        got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
        raise ValueError(f"frame must be a uint8 array of shape {_SHAPE}, got {got}; pass one frame, observation[-1]")
    opacity, player, opponent = _unmixed(frame)
    own = _brightest_spot(opacity)
    has_ball = (opacity * own).max() >= MIN_OPACITY
    return {
        "ball": _ball(opacity * own) if has_ball else None,
        "num_balls": int(has_ball) + int((opacity * (1.0 - own)).max() >= MIN_SECOND_OPACITY),
        "player": _paddle(player, opacity, PLAYER_X),
        "opponent": _paddle(opponent, opacity, OPPONENT_X),
    }


def ball_place(left: int, seen: Floats) -> list[float]:
    """The centre of the ball as [x, y] in pixels of a frame.

    Args:
        left: its first native column.
        seen: how much of it is seen in each row of the frame, in half native pixels, (64,). Their centre of mass is
            within 0.1 pixels of the ball's, and unlike that it can be told from a frame whatever the console draws.
    """
    return [to_frame(left + BALL_WIDTH / 2), round(float(seen @ (np.arange(FRAME_SIZE) + 0.5) / seen.sum()), 2)]


def ball_seen(field_cover: Floats) -> Floats:
    """How much of the ball is seen in each row of a frame, in half native pixels, from its cover of cells (64, 64)."""
    seen: Floats = field_cover.sum(axis=1) * (2.0 * CELL**2)
    return seen


@functools.cache
def _drawings() -> Floats:
    """What `ball_seen` gives for all ways to draw a ball, (ways, 64), whole numbers.

    The console draws each of its two columns a row higher, shorter or taller at times; walls cut it.
    """
    columns = [(first, last) for first in (0, 1) for last in (3, 4, 5)]
    pairs = [(one, other) for index, one in enumerate(columns) for other in columns[index:]]
    tops = range(1 - BALL_HEIGHT, FIELD_SIZE)
    halves = np.array([_column(top, *one) + _column(top, *other) for top in tops for one, other in pairs])
    return np.unique(halves[halves.any(axis=1)], axis=0)


def _column(top: int, first: int, last: int) -> Floats:
    """What one column of a ball adds to `ball_seen` when it goes from row top + first to before row top + last."""
    start, end = np.clip([top + first, top + last], 0, FIELD_SIZE).astype(np.float64)
    seen: Floats = np.rint(2.0 * CELL * coverage(np.array([start]), np.array([end - start]))[0])
    return seen


def paddle_place(top: int) -> float | None:
    """The height of a paddle's centre in pixels of a frame, from its first native row; None where none of it is seen.

    It is below 0 or above 64 while a wall hides more than half of the paddle.
    """
    return to_frame(top + PADDLE_HEIGHT / 2) if -PADDLE_HEIGHT < top < FIELD_SIZE else None


def _ball(opacity: Floats) -> list[float]:
    """The centre of the ball as [x, y], from the opacities around it."""
    covered = FULL_COVERAGE * opacity**2
    left = int(_BALL_COLUMNS[_best(_COLUMN_PROFILES, covered.sum(axis=0), scale=True)])
    return ball_place(left, _drawings()[_best(_drawings(), ball_seen(covered))])


def _unmixed(frame: npt.NDArray[np.uint8]) -> tuple[Floats, Floats, Floats]:
    """How much of each pixel is ball, in [0, 1], player and opponent, each (64, 64) and 0 outside its columns."""
    difference = frame.astype(np.float64) - BACKGROUND
    opacity = (difference @ _shares(BALL))[..., 0]
    paddles = []
    for color, left in ((PLAYER, PLAYER_X), (OPPONENT, OPPONENT_X)):
        columns = np.flatnonzero(_paddle_width(left))
        mix = difference[:, columns] @ _shares(BALL, color)
        opacity[:, columns] = mix[..., 0]
        paddles.append(np.zeros_like(opacity))
        paddles[-1][:, columns] = mix[..., 1]
    return opacity.clip(0.0, 1.0), paddles[0], paddles[1]


def _shares(*colors: npt.NDArray[np.uint8]) -> Floats:
    """The matrix (3, colors) that turns a difference from the background into least-squares shares of colors."""
    return np.asarray(np.linalg.pinv(np.stack(colors).astype(np.float64) - BACKGROUND), np.float64)


def _paddle(share: Floats, opacity: Floats, left: int) -> float | None:
    """The height of the centre of a paddle whose columns are known."""
    width = _paddle_width(left)
    seen = 1.0 - opacity  # the ball is drawn over paddles
    rows = (share * width * seen).sum(axis=1) / ((width * seen) ** 2).sum(axis=1).clip(0.01)
    none = np.zeros((1, FRAME_SIZE))
    best = _best(np.concatenate([_PADDLE_PROFILES, none]), rows)
    return None if best == len(_PADDLE_TOPS) else paddle_place(int(_PADDLE_TOPS[best]))


def _paddle_width(left: int) -> Floats:
    """Which share of each column of a frame a paddle covers, (64,)."""
    width: Floats = coverage(np.array([float(left)]), np.array([float(PADDLE_WIDTH)]))[0]
    return width


def _brightest_spot(opacity: Floats) -> Floats:
    """1.0 around the 2 x 2 pixels with the greatest sum, the size of a ball, and 0.0 elsewhere."""
    padded = np.pad(opacity, ((0, 1), (0, 1)))
    sums = padded[:-1, :-1] + padded[1:, :-1] + padded[:-1, 1:] + padded[1:, 1:]
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    spot = np.zeros_like(opacity)
    spot[_around(int(row)), _around(int(column))] = 1.0
    return spot


def _best(profiles: Floats, line: Floats, *, scale: bool = False) -> int:
    """The number of the profile with the least squared distance to a line, each of sum 1 where `scale` says so."""
    if scale:
        profiles, line = profiles / profiles.sum(axis=1, keepdims=True), line / line.sum()
    return int(((profiles - line) ** 2).sum(axis=1).argmin())


def _around(index: int) -> slice:
    """The pixels of a spot whose first of two is `index`."""
    return slice(max(index - BALL_REACH, 0), index + BALL_REACH + 2)
