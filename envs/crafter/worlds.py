"""Generates Crafter's worlds, cell for cell its own, several times as fast.

Crafter asks OpenSimplex for one value at a time and spends nearly all of a reset on that. Here the noise of all cells
is one array operation: which lattice points reach a cell, and how strongly, is the same in every world, so only the
gradients are looked up anew. Crafter's own rules then turn noise into materials and creatures.
"""

import collections
import functools
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from crafter import constants, engine, objects, worldgen
from opensimplex import OpenSimplex
from opensimplex.constants import GRADIENTS3, NORM_CONSTANT3, SQUISH_CONSTANT3, STRETCH_CONSTANT3

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]

AREA, CHUNK = (64, 64), (12, 12)  # cells, Crafter's own
KEPT_WORLDS = 16
_LAYERS = (  # the (z, size) that Crafter's rules ask for: start, water twice, mountain twice, caves, coal, ...
    *((8, 3), (3, 15), (3, 5), (0, 15), (0, 5), (6, 7)),
    *((1, 8), (2, 6), (6, 5), (4, 9), (5, 7)),
)
_TUNNELS = (7, 3)  # asked for twice, stretched along x and along y
_ZERO = 1e-9  # where the noise is nothing, the rounding of the last bits decides its sign: there OpenSimplex is asked
_VERTICES = np.array(list(itertools.product(range(-1, 3), repeat=3)))  # lattice points that may reach a unit cell
_UNIT = np.eye(3, dtype=np.int64)


class Noise:
    """Stands in for an `OpenSimplex` of a seed: the values at `grid_points` are ready."""

    def __init__(self, seed: int) -> None:
        """`seed` is OpenSimplex's."""
        self._simplex = OpenSimplex(seed)
        values = zip(_grid_keys(), _noise(self._simplex).tolist(), strict=True)
        self._values = {point: value for point, value in values if abs(value) > _ZERO}

    def noise3(self, x: float, y: float, z: float) -> float:
        """What `OpenSimplex.noise3` returns, but for the rounding of the last bits."""
        value = self._values.get((x, y, z))
        return float(self._simplex.noise3(x, y, z)) if value is None else value


class InOrder(dict[Any, None]):
    """A set that remembers its order.

    Crafter draws creatures from sets, whose order depends on memory addresses: there a seed gives ever new episodes.
    """

    def add(self, thing: Any) -> None:
        """Puts a thing at the end."""
        self[thing] = None

    def remove(self, thing: Any) -> None:
        """Takes a thing out."""
        del self[thing]


@functools.lru_cache(KEPT_WORLDS)
def generated(seed: int) -> tuple[Any, Any]:
    """The world of a seed and its player, as `crafter.Env.reset` makes them; copy both together before use."""
    world = engine.World(AREA, constants.materials, CHUNK)
    world.reset(seed=seed)
    world._chunks = collections.defaultdict(InOrder)
    player = objects.Player(world, (AREA[0] // 2, AREA[1] // 2))
    world.add(player)
    generate(world, player)
    return world, player


def generate(world: Any, player: Any) -> None:
    """Fills an empty `crafter.engine.World` that holds only the player, as `crafter.worldgen.generate_world` does."""
    noise = Noise(seed=world.random.randint(0, 2**31 - 1))
    tunnels = np.zeros(world.area, bool)
    cells = list(itertools.product(range(world.area[0]), range(world.area[1])))
    for cell in cells:
        worldgen._set_material(world, cell, player, tunnels, noise)
    for cell in cells:
        worldgen._set_object(world, cell, player, tunnels)


@functools.cache
def grid_points() -> Floats:
    """All points at which Crafter's rules may ask for noise, float64 (points, 3)."""
    x, y = (axis.astype(np.float64) for axis in np.indices(AREA))
    z, size = _TUNNELS
    layers = [(x / size, y / size, z) for z, size in _LAYERS]
    layers += [(2 * x / size, y / 5 / size, z), (x / 5 / size, 2 * y / size, z)]
    return np.concatenate([np.stack(np.broadcast_arrays(*layer), -1).reshape(-1, 3) for layer in layers])


@functools.cache
def _grid_keys() -> list[Point]:
    return [(x, y, z) for x, y, z in grid_points().tolist()]


def _noise(simplex: OpenSimplex) -> Floats:
    """OpenSimplex noise at `grid_points`: each lattice point in reach adds its gradient, weighted."""
    starts, vertices, weights = _reach()
    hashed = np.zeros(len(vertices), np.int64)
    for axis in range(2):
        hashed = simplex._perm[(hashed + vertices[:, axis]) & 255]
    gradients = GRADIENTS3[simplex._perm_grad_index3[(hashed + vertices[:, 2]) & 255][:, None] + np.arange(3)]
    return np.asarray(np.add.reduceat((gradients * weights).sum(1), starts) / NORM_CONSTANT3)


@functools.cache
def _reach() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """For each grid point the lattice points that reach it.

    Returns:
        Where the lattice points of each grid point start, int64 (points,); the lattice points, int64 (pairs, 3);
        attenuation times offset, float64 (pairs, 3).
    """
    vertices, weights, counts = [], [], []
    for points in np.split(grid_points(), len(_LAYERS) + 2):
        stretched = points + STRETCH_CONSTANT3 * points.sum(1, keepdims=True)
        base = np.floor(stretched).astype(np.int64)
        lattice = base[:, None] + _VERTICES
        offsets = points[:, None] - (lattice + SQUISH_CONSTANT3 * lattice.sum(-1, keepdims=True))
        attenuation = 2 - (offsets**2).sum(-1)
        kept = (attenuation > 0) & _considered(stretched - base)
        vertices.append(lattice[kept])
        weights.append(attenuation[kept][:, None] ** 4 * offsets[kept])
        counts.append(kept.sum(1))
    starts = np.concatenate([[0], np.concatenate(counts).cumsum()[:-1]])
    return starts, np.concatenate(vertices), np.concatenate(weights)


def _considered(inside: Floats) -> npt.NDArray[np.bool_]:
    """Which `_VERTICES` OpenSimplex looks at, given where in its lattice cell a point lies; bool (points, 64).

    In the octahedron of a cell it looks at all that reach. In the tetrahedra at its two ends it looks at the four
    corners and two more, which stand beside the edge between the closest two corners.
    """
    near = inside.sum(1) <= 1
    far = inside.sum(1) >= 2
    considered = np.repeat((~near & ~far)[:, None], len(_VERTICES), 1)
    for end, mirrored in ((near, False), (far, True)):
        scores = 1 - inside[end] if mirrored else inside[end]  # the far end is the near one seen from (1, 1, 1)
        wanted = np.concatenate([np.broadcast_to(_corners(), (len(scores), 4, 3)), _extra_vertices(scores)], axis=1)
        wanted = 1 - wanted if mirrored else wanted
        considered[end] = (wanted[:, :, None] == _VERTICES).all(-1).any(1)
    return considered


def _corners() -> npt.NDArray[np.int64]:
    return np.concatenate([np.zeros((1, 3), np.int64), _UNIT])


def _extra_vertices(scores: Floats) -> npt.NDArray[np.int64]:
    """The two further lattice points of points in the tetrahedron at the origin, int64 (points, 2, 3)."""
    x, y, z = scores.T
    dropped = np.where(z <= np.minimum(x, y), 2, np.where(x >= y, 1, 0))  # OpenSimplex's way with ties
    first = np.where(dropped == 0, 2, 0)
    second = np.where(dropped == 1, 2, 1)
    rows = np.arange(len(scores))
    a, b = scores[rows, first], scores[rows, second]
    by_origin = 1 - scores.sum(1) > np.minimum(a, b)
    closest = np.where(b > a, second, first)
    others = np.stack([(closest + 1) % 3, (closest + 2) % 3], 1)
    beside_origin = _UNIT[closest][:, None] - _UNIT[others]
    pair = _UNIT[first] + _UNIT[second]
    beside_pair = np.stack([pair, pair - _UNIT[dropped]], 1)
    return np.where(by_origin[:, None, None], beside_origin, beside_pair)
