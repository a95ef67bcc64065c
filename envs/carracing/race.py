"""Gymnasium's CarRacing-v3 without its drawing, begun anywhere on the track.

The dynamics, the rewards and the ends are Gymnasium's own. Gymnasium draws after every tick, which takes a hundred
times as long as the tick itself; here nothing is drawn until `envs.carracing.painter` is asked to.
"""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

try:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Box2D warns while it loads; raised as an error, that crashes the process
        from gymnasium.envs.box2d import car_racing
except (ImportError, gym.error.DependencyNotInstalled) as error:
    raise gym.error.DependencyNotInstalled(
        f"the real CarRacing twin must find the packages box2d and pygame-ce, got {error}; "
        'run `pip install "wm-gym[carracing]"`'
    ) from error

Points = npt.NDArray[np.float64]

WINDOW_SIZE = (car_racing.WINDOW_W, car_racing.WINDOW_H)  # Gymnasium's window, in pixels
VIEW_SCALE = car_racing.ZOOM * car_racing.SCALE  # window pixels to a unit of length, once the camera has zoomed in
TILE_LENGTH = car_racing.TRACK_DETAIL_STEP
HALF_ROAD = car_racing.TRACK_WIDTH  # from the middle of the road to its edge


class Race(car_racing.CarRacing):
    """A race on the track of a seed.

    Gymnasium's start line lies where all tracks look alike; here it lies on any tile of the track.
    """

    car: Any  # Gymnasium's annotations allow the time before the first reset, too
    road: Any

    def _create_track(self) -> bool:
        if not super()._create_track():  # type: ignore[no-untyped-call]
            return False
        first = int(self.np_random.integers(len(self.track)))
        self.track = self.track[first:] + self.track[:first]
        self.road = self.road[first:] + self.road[:first]
        for index, tile in enumerate(self.road):
            tile.idx = index
        return True

    def _render(self, mode: str) -> None:
        """Draws nothing."""

    @property
    def pose(self) -> tuple[float, float, float]:
        """Where the car is and its angle in radians: 0 looks along y, more is further to the left."""
        x, y = self.car.hull.position
        return float(x), float(y), float(self.car.hull.angle)

    @property
    def speed(self) -> float:
        """Of the car, in units of length a second; on a long straight it reaches about 100."""
        return float(np.hypot(*self.car.hull.linearVelocity))

    @property
    def wheel_speed(self) -> float:
        """At the rim of the rear wheels, in units of length a second: above `speed` they spin, below it they slide."""
        return float(np.mean([wheel.omega * wheel.wheel_rad for wheel in self.car.wheels[2:]]))

    @property
    def steering(self) -> float:
        """Angle of the front wheels in radians, positive to the left; the stop gives way a little beyond 0.4."""
        return float(self.car.wheels[0].joint.angle)

    @property
    def wheels_on_road(self) -> int:
        """How many of the four wheels touch the road."""
        return sum(bool(wheel.tiles) for wheel in self.car.wheels)

    def center_line(self) -> Points:
        """The middle of the road in driving direction: a closed line (tiles, 2) of points a tile length apart."""
        return np.array([(x, y) for _, _, x, y in self.track])

    def field(self) -> Points:
        """Corners of the field, beyond which the race is over, (1, 4, 2)."""
        corners = np.array([(1.0, 1.0), (1.0, -1.0), (-1.0, -1.0), (-1.0, 1.0)])
        return car_racing.PLAYFIELD * corners[None]

    def grass(self) -> Points:
        """Corners of the squares of lighter grass that lie on the field like a chessboard's, (squares, 4, 2)."""
        low = car_racing.GRASS_DIM * np.arange(-20, 20, 2)
        corners = car_racing.GRASS_DIM * np.array([(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
        return np.stack(np.meshgrid(low, low), axis=-1).reshape(-1, 1, 2) + corners
