"""The panel under the view, drawn and read: bars for the speed, the rear wheels and the angle of the front wheels.

Gymnasium's own panel is a pixel wide at this size, and its score counts what nobody sees. Bars of whole pixels can be
read back without error, in levels that are coarse enough for a frame that is only nearly right.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from envs.carracing.race import Race

Frame = npt.NDArray[np.uint8]

HEIGHT = 8
"""Rows of the panel, the lowest of the frame."""

_MAX_SPEED, _MAX_STEERING = 100.0, 0.4
_SPEED_PIXELS, _STEERING_PIXELS = 60, 28
_START, _MIDDLE = 2, 32  # columns where the bars of speeds and of the angle begin
_SPEED_ROWS, _WHEEL_ROWS, _STEERING_ROWS = slice(-7, -5), slice(-5, -3), slice(-2, None)
_WHITE, _BLUE, _GREEN = (255, 255, 255), (0, 128, 255), (0, 255, 0)
_PIXELS_A_LEVEL = {"speed": 3, "wheel_speed": 3, "steering": 7}  # a level is a speed of 5 and an angle of 0.1


def draw_panel(frame: Frame, race: Race) -> None:
    """Draws over the lowest rows of a frame (64, 64, 3)."""
    frame[-HEIGHT:] = 0
    speed, wheel_speed, steering = _lengths(race)
    frame[_SPEED_ROWS, _START : _START + speed] = _WHITE
    frame[_WHEEL_ROWS, _START : _START + wheel_speed] = _BLUE
    frame[_STEERING_ROWS, min(_MIDDLE, _MIDDLE - steering) : max(_MIDDLE, _MIDDLE - steering)] = _GREEN


def true_levels(race: Race) -> dict[str, Any]:
    """What `read_panel` should read."""
    return _levels(*_lengths(race))


def read_panel(frame: Frame) -> dict[str, Any]:
    """The levels that a frame shows, None for a broken bar.

    "speed" of the car and "wheel_speed" at the rim of the rear wheels go from 0 to 20, "steering" from -4 to 4 (left).

    Raises:
        ValueError: `frame` is not a uint8 array of shape (64, 64, 3).
    """
    if not isinstance(frame, np.ndarray) or frame.shape != (64, 64, 3) or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise ValueError(f"frame must be a uint8 array of shape (64, 64, 3), got {got}; pass one frame of a chunk")
    speeds = slice(_START, _START + _SPEED_PIXELS)
    speed = _bar(frame[_SPEED_ROWS, speeds].mean((0, 2)) > 127)
    wheel_speed = _bar(frame[_WHEEL_ROWS, speeds, 2].mean(0) > 127)
    steering = frame[_STEERING_ROWS, :, 1].mean(0) > 127
    left, right = _bar(steering[_MIDDLE - 1 :: -1]), _bar(steering[_MIDDLE:])
    whole = left is not None and right is not None and not (left and right)
    return _levels(speed, wheel_speed, left - right if whole else None)  # type: ignore[operator]


def _levels(speed: int | None, wheel_speed: int | None, steering: int | None) -> dict[str, Any]:
    """Levels from lengths in pixels."""
    lengths = {"speed": speed, "wheel_speed": wheel_speed, "steering": steering}
    return {name: None if length is None else round(length / _PIXELS_A_LEVEL[name]) for name, length in lengths.items()}


def _bar(lit: npt.NDArray[np.bool_]) -> int | None:
    """The length of a bar that begins at the first pixel, or None where it has gaps."""
    length = int(lit.sum())
    return length if lit[:length].all() else None


def _lengths(race: Race) -> tuple[int, int, int]:
    """Lengths of the bars in pixels; the last is negative to the right."""
    speeds = np.clip([race.speed, race.wheel_speed], 0, _MAX_SPEED) * _SPEED_PIXELS / _MAX_SPEED
    steering = np.clip(race.steering, -_MAX_STEERING, _MAX_STEERING) * _STEERING_PIXELS / _MAX_STEERING
    return round(speeds[0]), round(speeds[1]), round(float(steering))
