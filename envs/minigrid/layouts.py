"""Layout generators on MiniGrid's own grid and objects: always 8x8 cells, rooms at random offsets, the rest wall.

Every room with a goal can be solved. Two rules hold this up: the key of a locked door lies on the near side of that
door, and each of several rooms is at least 2 cells wide and at most a third full, so that objects in the way can be
set aside.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Wall, WorldObj

Cell = tuple[int, int]

GRID_SIZE = 8
TEST_SHARE = 8
"""One layout in `TEST_SHARE` belongs to the test split."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A grid without its agent, and the cells where the agent may start."""

    name: str
    grid: Grid
    starts: tuple[Cell, ...]

    @property
    def split(self) -> str:
        """`"test"` for one layout in eight by a hash of the grid, `"train"` for the rest."""
        digest = hashlib.blake2b(self.grid.encode().tobytes(), digest_size=8).digest()
        return "test" if int.from_bytes(digest, "little") % TEST_SHARE == 0 else "train"


@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A block of floor cells: `left` and `top` are its first cells, walls not counted."""

    left: int
    top: int
    width: int
    height: int

    @property
    def cells(self) -> list[Cell]:
        """All cells, column by column."""
        return [(self.left + i, self.top + j) for i in range(self.width) for j in range(self.height)]


def draw_layout(name: str, rng: np.random.Generator) -> Layout:
    """Draws a layout of the kind `name`, a key of `GENERATORS`."""
    while True:
        layout = GENERATORS[name](rng)
        if layout is not None:
            return layout


def _empty(rng: np.random.Generator) -> Layout:
    room = _draw_room(rng)
    grid = _carve([room])
    _place(grid, Goal(), room.cells, rng)
    return Layout(name="empty", grid=grid, starts=_free(grid, room.cells))


def _crossing(rng: np.random.Generator) -> Layout | None:
    room = _draw_room(rng, smallest=6)
    grid = _carve([room])
    for _ in range(rng.integers(1, 4)):
        _wall_with_gap(grid, room, rng)
    floor = _free(grid, room.cells)
    if len(floor) == len(room.cells) or len(floor) < 6 or not connected(floor):
        return None
    _place(grid, Goal(), floor, rng)
    return Layout(name="crossing", grid=grid, starts=_free(grid, floor))


def _doorkey(rng: np.random.Generator) -> Layout:
    room = _draw_room(rng)
    vertical = bool(rng.integers(2))
    sides = list(_split(room, vertical, rng, smallest=1))
    wall = sorted(set(room.cells) - set(sides[0].cells) - set(sides[1].cells))
    near, far = (sides[i] for i in rng.permutation(2))
    grid = _carve([near, far])
    color = _color(rng)
    _place(grid, Door(color, is_locked=True), wall, rng, over_wall=True)
    _place(grid, Key(color), near.cells, rng)
    _place(grid, Goal(), far.cells, rng)
    return Layout(name="doorkey", grid=grid, starts=_free(grid, near.cells))


def _objects(rng: np.random.Generator) -> Layout:
    room = _draw_room(rng)
    grid = _carve([room])
    for _ in range(rng.integers(1, 7)):
        _place(grid, draw_object(rng), room.cells, rng)
    if rng.random() < 0.7:
        _place(grid, Goal(), room.cells, rng)
    return Layout(name="objects", grid=grid, starts=_free(grid, room.cells))


def _rooms(rng: np.random.Generator) -> Layout | None:
    rooms = _two_rooms(rng) if rng.random() < 0.5 else _four_rooms(rng)
    grid = _carve(rooms)
    capacity = [len(room.cells) // 3 for room in rooms]
    if not _connect(grid, rooms, capacity, rng):
        return None
    for _ in range(rng.integers(0, 4)):
        index = int(rng.integers(len(rooms)))
        if capacity[index] > 0:
            capacity[index] -= 1
            _place(grid, draw_object(rng), rooms[index].cells, rng)
    if rng.random() < 0.75:
        _place(grid, Goal(), rooms[rng.integers(len(rooms))].cells, rng)
    return Layout(name="rooms", grid=grid, starts=_free(grid, rooms[0].cells))


GENERATORS: dict[str, Callable[[np.random.Generator], Layout | None]] = {
    "empty": _empty,
    "doorkey": _doorkey,
    "objects": _objects,
    "rooms": _rooms,
    "crossing": _crossing,
}
"""Kind -> generator; None means that the draw did not work out and the next may."""

SHARES: dict[str, float] = {"empty": 0.08, "doorkey": 0.22, "objects": 0.24, "rooms": 0.34, "crossing": 0.12}
"""How often each kind is drawn when none is asked for: the rooms with more to do come more often."""


def _connect(grid: Grid, rooms: Sequence[Rectangle], capacity: list[int], rng: np.random.Generator) -> bool:
    """Adds doors outwards from room 0, and for each locked one a key in a room that is reached without it."""
    colors = [COLOR_NAMES[i] for i in rng.permutation(len(COLOR_NAMES))]
    reached = [0]
    walls = _shared_walls(rooms)
    order = [pair for pair in walls if rng.random() < 0.8 or len(rooms) == 2]
    while order:
        pair = next((pair for pair in order if pair[0] in reached or pair[1] in reached), None)
        if pair is None:
            return False
        order.remove(pair)
        color = colors.pop()
        state = rng.choice(["open", "closed", "locked"], p=[0.25, 0.35, 0.4])
        if state == "locked":
            holders = [index for index in reached if capacity[index] > 0]
            if not holders:
                return False
            holder = int(rng.choice(holders))
            capacity[holder] -= 1
            _place(grid, Key(color), rooms[holder].cells, rng)
        _place(grid, Door(color, state == "open", state == "locked"), walls[pair], rng, over_wall=True)
        reached = sorted({*reached, *pair})
    return len(reached) == len(rooms)


def _shared_walls(rooms: Sequence[Rectangle]) -> dict[tuple[int, int], list[Cell]]:
    """For each pair of neighbouring rooms, the wall cells that touch the floor of both."""
    walls: dict[tuple[int, int], list[Cell]] = {}
    for i, first in enumerate(rooms):
        for j in range(i + 1, len(rooms)):
            here, there = set(first.cells), set(rooms[j].cells)
            right = [(x + 1, y) for x, y in here if (x + 2, y) in there]
            below = [(x, y + 1) for x, y in here if (x, y + 2) in there]
            if right or below:
                walls[i, j] = sorted(right + below)
    return walls


def _two_rooms(rng: np.random.Generator) -> list[Rectangle]:
    vertical = bool(rng.integers(2))
    long, short = int(rng.integers(7, GRID_SIZE + 1)), int(rng.integers(5, GRID_SIZE + 1))
    outer = _offset(rng, *((long, short) if vertical else (short, long)))
    sides = _split(outer, vertical, rng, smallest=2)
    return [sides[i] for i in rng.permutation(2)]


def _four_rooms(rng: np.random.Generator) -> list[Rectangle]:
    outer = _draw_room(rng, smallest=7)
    left, right = _split(outer, True, rng, smallest=2)
    height = int(rng.integers(2, outer.height - 2))
    rooms = []
    for side in (left, right):
        rooms.append(Rectangle(left=side.left, top=side.top, width=side.width, height=height))
        below = side.top + height + 1
        rest = side.height - height - 1
        rooms.append(Rectangle(left=side.left, top=below, width=side.width, height=rest))
    return [rooms[i] for i in rng.permutation(4)]


def _split(room: Rectangle, vertical: bool, rng: np.random.Generator, *, smallest: int) -> tuple[Rectangle, Rectangle]:
    """Cuts a room in two by a wall one cell thick; both sides are at least `smallest` cells wide."""
    extent = room.width if vertical else room.height
    first = int(rng.integers(smallest, extent - smallest))
    rest = extent - first - 1
    if vertical:
        return (
            Rectangle(left=room.left, top=room.top, width=first, height=room.height),
            Rectangle(left=room.left + first + 1, top=room.top, width=rest, height=room.height),
        )
    return (
        Rectangle(left=room.left, top=room.top, width=room.width, height=first),
        Rectangle(left=room.left, top=room.top + first + 1, width=room.width, height=rest),
    )


def _draw_room(rng: np.random.Generator, smallest: int = 5) -> Rectangle:
    width, height = (int(size) for size in rng.integers(smallest, GRID_SIZE + 1, 2))
    return _offset(rng, width, height)


def _offset(rng: np.random.Generator, width: int, height: int) -> Rectangle:
    """The floor of a room of `width` x `height` cells, walls included, at a random place."""
    left = int(rng.integers(0, GRID_SIZE - width + 1)) + 1
    top = int(rng.integers(0, GRID_SIZE - height + 1)) + 1
    return Rectangle(left=left, top=top, width=width - 2, height=height - 2)


def _carve(rooms: Iterable[Rectangle]) -> Grid:
    grid = Grid(GRID_SIZE, GRID_SIZE)
    wall = Wall()
    grid.grid = [wall] * (GRID_SIZE * GRID_SIZE)
    for room in rooms:
        for cell in room.cells:
            grid.set(*cell, None)
    return grid


def _wall_with_gap(grid: Grid, room: Rectangle, rng: np.random.Generator) -> None:
    wall = Wall()
    if rng.integers(2):
        x = room.left + int(rng.integers(1, room.width - 1))
        line = [(x, room.top + j) for j in range(room.height)]
    else:
        y = room.top + int(rng.integers(1, room.height - 1))
        line = [(room.left + i, y) for i in range(room.width)]
    gap = int(rng.integers(len(line)))
    for cell in line[:gap] + line[gap + 1 :]:
        grid.set(*cell, wall)


def connected(cells: Sequence[Cell]) -> bool:
    """Whether one can walk from each of the cells, at least one, to all others."""
    left, stack = set(cells[1:]), [cells[0]]
    while stack:
        x, y = stack.pop()
        near = left & {(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)}
        left -= near
        stack.extend(near)
    return not left


def _place(
    grid: Grid, thing: WorldObj, cells: Sequence[Cell], rng: np.random.Generator, *, over_wall: bool = False
) -> None:
    """Puts `thing` on a random free cell among `cells` (on any of them with `over_wall`)."""
    options = cells if over_wall else _free(grid, cells)
    x, y = options[int(rng.integers(len(options)))]
    grid.set(x, y, thing)


def _free(grid: Grid, cells: Sequence[Cell]) -> tuple[Cell, ...]:
    return tuple(cell for cell in cells if grid.get(*cell) is None)


def _color(rng: np.random.Generator) -> str:
    return str(COLOR_NAMES[int(rng.integers(len(COLOR_NAMES)))])


def draw_object(rng: np.random.Generator) -> WorldObj:
    """Draws a key, ball or box of any colour."""
    kind = (Key, Ball, Box)[int(rng.integers(3))]
    return kind(_color(rng))
