"""What a frame of TakeCover shows, read back from its pixels: the health from its bar, the position from the corners.

The far wall of the hall is lit brighter than the far ends of the side walls, and imps stand below the player's eyes.
So the rows above the horizon show nothing but walls, and their light and height tell how far the sides are.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Frame = npt.NDArray[np.uint8]

HALL_WIDTH = 768.0  # map units
BAR_ROWS = 3
_BAR, _NO_BAR = (200, 30, 30), (20, 20, 20)
_FOCAL_LENGTH = 40.0  # pixels: half of the 64 columns see a slope of 0.8
_DEPTH = 544.0  # map units from where the player stands to the far wall
_WALL_ROWS = slice(26, 30)
_FAR_LIGHT, _SIDE_LIGHT, _NEAR_LIGHT, _MOST_LIGHT = 252.0, 165.0, 10000.0, 285.0  # sums of three colors, as measured
_FIRE_LIGHT = 320.0
_HORIZON = 32
_HEIGHT = 63 * 64  # of the walls above the eyes, in map units, times pixels of the frame
_BROWN = 12  # red minus blue of bricks; floor and ceiling are gray


def draw_health(frame: Frame, health: float) -> None:
    """Paint the bar of `health` in [0, 100] over the last rows of a frame (64, 64, 3)."""
    filled = int(np.ceil(health / 100 * frame.shape[1]))
    frame[-BAR_ROWS:, :filled] = _BAR
    frame[-BAR_ROWS:, filled:] = _NO_BAR


def read_state(frame: Frame) -> dict[str, Any]:
    """The state of TakeCover in a frame (64, 64, 3).

    The position is mostly within 20 of the hall's 768 units; an explosion before the player's eyes can spoil it.
    """
    return {"position": _position(frame), "health": _health(frame)}


def _health(frame: Frame) -> float:
    red = frame[-BAR_ROWS:, :, 0].mean(0) > (_BAR[0] + _NO_BAR[0]) / 2
    return float(red.mean() * 100)


def _position(frame: Frame) -> float:
    """The position whose predicted light and heights of walls fit best."""
    colors = frame.astype(np.float64)
    light = colors[_WALL_ROWS].sum(-1).mean(0)  # (width,)
    heights = (colors[:_HORIZON, :, 0] - colors[:_HORIZON, :, 2] > _BROWN).sum(0)
    clear = light < _FIRE_LIGHT
    if not clear.any():
        return HALL_WIDTH / 2
    ratios = (light[clear] + 1) / _LIGHT[:, clear]  # imps' attacks light the hall up: only the pattern counts
    errors = np.abs(ratios / np.median(ratios, axis=1, keepdims=True) - 1).mean(1)
    errors += np.abs(np.log((heights[clear] + 1) / (_HEIGHTS[:, clear] + 1))).mean(1)
    return float(_POSITIONS[np.argmin(errors)])


def _templates(positions: npt.NDArray[np.float64], width: int = 64, samples: int = 8) -> list[npt.NDArray[np.float64]]:
    """The light in the rows above the horizon and the height above it of each column: two of (position, width)."""
    slopes = ((np.arange(width * samples) + 0.5) / samples - width / 2) / _FOCAL_LENGTH  # to the right
    to_side = np.where(slopes > 0, positions[:, None], HALL_WIDTH - positions[:, None])
    depth = to_side / np.maximum(np.abs(slopes), 1e-6)
    side_light = np.minimum(_SIDE_LIGHT + _NEAR_LIGHT / depth, _MOST_LIGHT)
    light = np.where(depth < _DEPTH, side_light, _FAR_LIGHT)
    heights = np.minimum(_HEIGHT / np.minimum(depth, _DEPTH), _HORIZON)
    return [values.reshape(len(positions), width, samples).mean(2) for values in (light, heights)]


_POSITIONS = np.arange(16.0, HALL_WIDTH - 15.0, 2.0)
_LIGHT, _HEIGHTS = _templates(_POSITIONS)
