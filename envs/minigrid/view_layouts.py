"""Layouts to walk about in: a walled square, much larger than what is seen at once, full of landmarks.

No two places look alike: the floor is laid in coloured tiles at random, and objects stand about. Walls and objects
block the way; all other cells hang together.
"""

import numpy as np
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.world_object import Floor, Wall

from envs.minigrid.layouts import Cell, Layout, connected, draw_object

VIEW_GRID_SIZE = 17
"""Cells a side, the outer walls included."""

NUM_WALLS = 5
"""Inner walls, each 2 to 4 cells long; they may cross."""

NUM_OBJECTS = 16
"""Keys, balls and boxes."""

BARE_SHARE = 0.25
"""Share of the floor that is left bare, without a coloured tile."""

_INSIDE = [(x, y) for y in range(1, VIEW_GRID_SIZE - 1) for x in range(1, VIEW_GRID_SIZE - 1)]


def draw_view_layout(rng: np.random.Generator) -> Layout:
    """Draws a layout; the agent may start wherever it can stand."""
    while True:
        grid = Grid(VIEW_GRID_SIZE, VIEW_GRID_SIZE)
        grid.wall_rect(0, 0, VIEW_GRID_SIZE, VIEW_GRID_SIZE)
        for _ in range(NUM_WALLS):
            for x, y in _draw_wall(rng):
                grid.set(x, y, Wall())
        floor = _free(grid)
        for index in rng.permutation(len(floor))[:NUM_OBJECTS]:
            x, y = floor[index]
            grid.set(x, y, draw_object(rng))
        floor = _free(grid)
        if connected(floor):
            break
    for x, y in floor:
        if rng.random() >= BARE_SHARE:
            grid.set(x, y, Floor(COLOR_NAMES[int(rng.integers(len(COLOR_NAMES)))]))
    return Layout(name="landmarks", grid=grid, starts=tuple(floor))


def _draw_wall(rng: np.random.Generator) -> list[Cell]:
    length = int(rng.integers(2, 5))
    along, across = int(rng.integers(1, VIEW_GRID_SIZE - length)), int(rng.integers(2, VIEW_GRID_SIZE - 2))
    flat = bool(rng.integers(2))
    return [(along + i, across) if flat else (across, along + i) for i in range(length)]


def _free(grid: Grid) -> list[Cell]:
    return [cell for cell in _INSIDE if grid.get(*cell) is None]
