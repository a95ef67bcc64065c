"""Ways through a Doom map given by its walls: a lattice of places with room to stand, searched breadth first."""

from collections import deque

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Point = tuple[float, float]
Cell = tuple[int, int]

SPACING = 16.0  # map units
CLEARANCE = 20.0  # from walls; a player's radius is 16


class Routes:
    """The free lattice points of a map that can be reached from a point."""

    def __init__(self, walls: Array, start: Point) -> None:
        """`walls` is (number, 4): x and y of both ends."""
        self._walls = walls
        self._origin = walls.reshape(-1, 2).min(0)
        shape = np.ceil((walls.reshape(-1, 2).max(0) - self._origin) / SPACING).astype(int) + 1
        self._points = self._origin + SPACING * np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1)
        free = distance(self._points.reshape(-1, 2), walls).reshape(shape) >= CLEARANCE
        self._free = {(int(i), int(j)) for i, j in np.argwhere(free)}
        self.places = [self._point(cell) for cell in self._search(start)]

    def path(self, start: Point, goal: Point) -> list[Point]:
        """Lattice points from near `start` to near `goal`; empty where there is no way."""
        parents = self._search(goal)  # from the goal, so that the chain runs towards it
        cell: Cell | None = self._nearest(start)
        if cell not in parents:
            return []
        cells = []
        while cell is not None:
            cells.append(self._point(cell))
            cell = parents[cell]
        return cells

    def aim(self, position: Point, path: list[Point]) -> Point:
        """The farthest point of the first few of a path that can be walked to straight."""
        for point in reversed(path[:16]):
            line = np.linspace(position, point, 24)[4:]  # the player may stand closer to a wall than planned
            if distance(line, self._walls).min() >= CLEARANCE - 2:
                return point
        return path[0]

    def _search(self, start: Point) -> dict[Cell, Cell | None]:
        """Each cell that can be reached -> the one before it."""
        parents: dict[Cell, Cell | None] = {self._nearest(start): None}
        queue = deque(parents)
        while queue:
            i, j = queue.popleft()
            for cell in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if cell in self._free and cell not in parents:
                    parents[cell] = (i, j)
                    queue.append(cell)
        return parents

    def _nearest(self, point: Point) -> Cell:
        return min(self._free, key=lambda cell: float(np.square(self._points[cell] - point).sum()))

    def _point(self, cell: Cell) -> Point:
        x, y = self._points[cell]
        return float(x), float(y)


def distance(points: Array, walls: Array) -> Array:
    """From each point (number, 2) to the nearest wall."""
    ends, spans = walls[:, :2], walls[:, 2:] - walls[:, :2]
    offsets = points[:, None] - ends  # (point, wall, 2)
    shares = np.clip((offsets * spans).sum(-1) / np.square(spans).sum(-1), 0.0, 1.0)
    nearest: Array = np.linalg.norm(offsets - shares[..., None] * spans, axis=-1).min(1)
    return nearest
