"""Draws the view of CarRacing small: what Gymnasium's own renderer shows, at a fifth of its cost.

The road and the grass are turned into the view at once and only what is in view is drawn, on a third of the window.
"""

import math

import numpy as np
import numpy.typing as npt
import pygame

from envs.carracing.race import VIEW_SCALE, WINDOW_SIZE, Points, Race

Frame = npt.NDArray[np.uint8]

FRAME_SIZE = 64
_CANVAS = (
    5 * FRAME_SIZE,
    4 * FRAME_SIZE,
)  # width, height; averaged 5 by 4, the view is squeezed as upstream
_SCALE = VIEW_SCALE * _CANVAS[0] / WINDOW_SIZE[0]  # canvas pixels to a unit of length
_CENTER = (_CANVAS[0] / 2, _CANVAS[1] / 4)  # of the car, measured from the bottom


class Painter:
    """Draws one race from behind the car, which is always in the same place and looks up."""

    def __init__(self, race: Race) -> None:
        """Collects what does not move; make a new painter when the race begins anew."""
        self._race = race
        field, grass = race.field(), race.grass()
        self._polygons: Points = np.concatenate([field, grass, np.array([polygon for polygon, _ in race.road_poly])])
        self._colors = [race.bg_color, *[race.grass_color] * len(grass), *(color for _, color in race.road_poly)]

    def paint(self) -> Frame:
        """The view, uint8 (64, 64, 3)."""
        x, y, angle = self._race.pose
        turn = _SCALE * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        polygons = (self._polygons - (x, y)) @ turn + _CENTER
        canvas = pygame.Surface(_CANVAS, depth=32)
        for index in _in_view(polygons):
            color = [int(channel) for channel in self._colors[index]]  # a tile that was driven on changes its color
            pygame.draw.polygon(canvas, color, polygons[index].tolist())
        origin = _CENTER - np.array([x, y]) @ turn
        self._race.car.draw(canvas, _SCALE, tuple(origin.tolist()), -angle, draw_particles=False)
        canvas = pygame.transform.flip(canvas, False, True)
        pixels = pygame.surfarray.array3d(pygame.transform.smoothscale(canvas, (FRAME_SIZE, FRAME_SIZE)))
        return np.ascontiguousarray(pixels.swapaxes(0, 1))


def _in_view(polygons: Points) -> list[int]:
    """Which of the polygons (polygons, corners, 2) may touch the canvas."""
    outside = (polygons.max(1) < 0) | (polygons.min(1) > _CANVAS)
    return [int(index) for index in np.flatnonzero(~outside.any(1))]
