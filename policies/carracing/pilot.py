"""A pilot for the CarRacing twin: where to turn the wheels and how fast to go, read off the simulator's track."""

import math
from dataclasses import dataclass

import numpy as np

from envs.carracing.race import TILE_LENGTH, Race

WHEEL_BASE = 3.24  # between the axles
MOST_SPIN = 12.0  # how much faster than the car its rear wheels may turn before it gets no more gas
_TILES_AHEAD = np.arange(25)


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What the pilot wants now."""

    steering: float  # angle of the front wheels in radians, positive to the left
    extra_speed: float  # how much faster to go, negative to slow down


class Pilot:
    """Steers for a point on the middle of the road ahead (pure pursuit) and slows down before bends."""

    def __init__(self, race: Race, cruise_speed: float, grip: float = 55.0) -> None:
        """Studies the track.

        Args:
            race: the race, with its track.
            cruise_speed: never exceeded.
            grip: sideways acceleration in bends; the tyres slide at about 200.
        """
        self._line = race.center_line()
        chords = np.roll(self._line, -2, axis=0) - np.roll(self._line, 2, axis=0)
        headings = np.arctan2(chords[:, 1], chords[:, 0])
        turns = np.abs(_wrapped(np.roll(headings, -1) - np.roll(headings, 1)))  # over two tiles
        curvatures = np.maximum(turns / (2 * TILE_LENGTH), 1e-4)
        self._limits = np.minimum(np.sqrt(grip / curvatures), cruise_speed)

    def aim(self, race: Race) -> Aim:
        """Looks at the car and the road ahead; off the road it heads back."""
        x, y, angle = race.pose
        nearest = int(((self._line - (x, y)) ** 2).sum(1).argmin())
        tiles = max(1, round((6.0 + 0.15 * race.speed) / TILE_LENGTH))
        dx, dy = self._line[(nearest + tiles) % len(self._line)] - (x, y)
        bearing = float(np.clip(_wrapped(math.atan2(dy, dx) - angle - math.pi / 2), -1.5, 1.5))
        steering = math.atan(2 * WHEEL_BASE * math.sin(bearing) / max(math.hypot(dx, dy), 3.0))
        extra_speed = self._limit(nearest) - race.speed
        if race.wheel_speed - race.speed > MOST_SPIN:
            extra_speed = min(extra_speed, 0.0)
        return Aim(steering=steering, extra_speed=extra_speed)

    def _limit(self, tile: int) -> float:
        """The speed at a tile from which brakes of 40 keep all limits ahead."""
        limits = self._limits[(tile + _TILES_AHEAD) % len(self._line)]
        return float(np.sqrt(limits**2 + 2 * 40.0 * TILE_LENGTH * _TILES_AHEAD).min())


def _wrapped(angle: np.ndarray | float) -> np.ndarray | float:
    """The angle within half a turn either way."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
