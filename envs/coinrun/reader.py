"""Reads what surrounds CoinRun's player off the pixels of a frame alone: walls on three sides, and the coin.

A state is distances from the player's centre in tiles, None where they leave the view:

- left, right: to the nearest wall, level with the player's waist,
- below: from the feet to the ground under the centre,
- coin: [to the right, up] to the coin's centre.

The simulator's are exact; a frame's are read to a fraction of a pixel, so they compare within `TOLERANCE`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.coinrun.state import WALL, WALL_TOP, Level

TOLERANCE = 0.2
"""Tiles by which what is read may differ from what is true."""

_FRAME_SIZE = 64
_TILE = _FRAME_SIZE / 13  # pixels
_CENTRE = _FRAME_SIZE // 2
_FEET = 0.5787  # below the centre
_LEVEL = -0.1  # of the line to the left and right, above the centre: below the turf of the next step up
_SIDE = 3  # pixels from the centre to the first that is not of the player
_SAW = 3  # pixels in a row that no saw covers
_TURF = 0.27  # the brown top of the ground, which looks like a crate
_VIEW = 5.8  # tiles; the border is at 6.5, and less of a wall than half a tile is not read
_DEPTH = 4.9  # the same below the feet and the turf
_COIN_VIEW = 6.0  # a coin further off is cut by the border


def true_state(level: Level) -> dict[str, Any]:
    """The state of a level."""
    x, y = level.player.x, level.player.y
    walls = (level.grid == WALL) | (level.grid == WALL_TOP)
    row, column = walls[int(y + _LEVEL)], walls[: int(y) + 1, int(x)]
    left = x - np.flatnonzero(row[: int(x)])[-1] - 1
    right = int(x) + np.flatnonzero(row[int(x) :])[0] - x
    below = y - _FEET - np.flatnonzero(column)[-1] - 1
    coin = [level.coin[0] - x, level.coin[1] - y]
    return {
        "left": _within(left, _VIEW),
        "right": _within(right, _VIEW),
        "below": _within(below, _DEPTH),
        "coin": [round(each, 2) for each in coin] if max(map(abs, coin)) < _COIN_VIEW else None,
    }


def read_state(frame: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """The state that a frame shows.

    Raises:
        ValueError: `frame` is not uint8 (64, 64, 3).
    """
    shape = (_FRAME_SIZE, _FRAME_SIZE, 3)
    if not isinstance(frame, np.ndarray) or frame.shape != shape or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise ValueError(f"frame must be a uint8 array of shape {shape}, got {got}; pass one frame of a chunk")
    red, green, blue = np.moveaxis(frame.astype(np.float32), -1, 0)
    bricks = ((blue - 45) / 150).clip(0, 1) * (blue > red - 20)  # how much of a pixel is wall; turf and crates are red
    row = bricks[_CENTRE]
    left = _distance(row[_CENTRE - _SIDE - 1 :: -1], _SIDE)
    right = _distance(row[_CENTRE + _SIDE :], _SIDE)
    below = _distance(bricks[_CENTRE + _SIDE :, _CENTRE], _SIDE)
    return {
        "left": _within(left, _VIEW),
        "right": _within(right, _VIEW),
        "below": None if below is None else _within(below - _FEET - _TURF, _DEPTH),
        "coin": _find_coin(red, green, blue),
    }


def _distance(bricks: npt.NDArray[np.float32], skipped: int) -> float | None:
    """Tiles to the first wall along a line of pixels that begins `skipped` pixels off."""
    solid = np.flatnonzero(np.lib.stride_tricks.sliding_window_view(bricks > 0.6, _SAW).all(1))
    if len(solid) == 0:
        return None
    first = int(solid[0])
    return (skipped + first - (float(bricks[first - 1]) if first > 0 else 0.0)) / _TILE


def _find_coin(
    red: npt.NDArray[np.float32], green: npt.NDArray[np.float32], blue: npt.NDArray[np.float32]
) -> list[float] | None:
    """The centre of all that is yellow."""
    yellow = (np.minimum(red, 1.25 * green) - blue - 90).clip(0)
    if yellow.max() < 40:
        return None
    rows, columns = np.indices(yellow.shape) + 0.5
    x, y = float((columns * yellow).sum() / yellow.sum()), float((rows * yellow).sum() / yellow.sum())
    coin = [round((x - _CENTRE) / _TILE, 2), round((_CENTRE - y) / _TILE, 2)]
    return coin if max(map(abs, coin)) < _COIN_VIEW else None


def _within(distance: float | None, limit: float) -> float | None:
    return round(float(distance), 2) if distance is not None and distance < limit else None
