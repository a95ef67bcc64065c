"""What a saved state of CoinRun says: procgen's own serialization (game.cpp, basic-abstract-game.cpp, coinrun.cpp).

It is words of 4 bytes; a text is a word with its length and its bytes. Positions are in tiles, x to the right and y up.
"""

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAW, SLIME, CRATE = 2, 5, 20  # kinds of things
COIN, WALL, WALL_TOP, LAVA, LAVA_TOP, SPACE = 1, 15, 16, 17, 18, 100  # kinds of cells

_ENTITY_WORDS = 31  # x, y, vx, vy, half width, half height, kind, ...
_NO_LIMIT = struct.pack("<i", 2**31 - 1)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """What is in no cell of the grid: the player, or something of the kinds above; x and y are of its centre."""

    kind: int
    x: float
    y: float
    vx: float
    vy: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Level:
    """A level as it stands.

    Attributes:
        player: who plays; 1 tile wide and 1.16 high.
        things: saws, slimes, crates and the trails of slimes.
        grid: kinds of cells, int32 (row, column), row 0 at the bottom.
        ticks: played so far.
        faces_right: whether the player does.
    """

    player: Thing
    things: tuple[Thing, ...]
    grid: npt.NDArray[np.int32]
    ticks: int
    faces_right: bool

    @property
    def coin(self) -> tuple[float, float]:
        """Centre of the coin."""
        row, column = np.argwhere(self.grid == COIN)[0]
        return float(column) + 0.5, float(row) + 0.5

    @property
    def layout(self) -> bytes:
        """A digest of all that a new level consists of; many seeds make the same."""
        things = [(each.kind, each.x, each.y, each.vx) for each in self.things]
        return hashlib.blake2b(self.grid.tobytes() + repr(things).encode(), digest_size=8).digest()


def parse(saved: bytes) -> Level:
    """Reads a saved state."""
    offset = _timeout_offset(saved)
    (ticks,) = struct.unpack_from("<i", saved, offset + 4 * 9)
    offset += 4 * 12  # timeout, progress, size of the grid
    (count,) = struct.unpack_from("<i", saved, offset)
    player, *things = _things(saved, offset + 4, count)
    offset += 4 + 4 * _ENTITY_WORDS * count + 4 * 20  # ..., background, actions, speeds, centre, "is seeded"
    offset = _after_text(saved, offset) + 4 * 9  # view
    width, height, cells = struct.unpack_from("<iii", saved, offset)
    grid = np.frombuffer(saved, "<i4", cells, offset + 12).reshape(height, width)
    _, _, _, faces_right = struct.unpack_from("<fiii", saved, offset + 12 + 4 * cells)
    return Level(player=player, things=tuple(things), grid=grid, ticks=ticks, faces_right=bool(faces_right))


def without_time_limit(saved: bytes) -> bytes:
    """The same state in a game that never ends for its 1000 ticks being over, which no picture shows."""
    offset = _timeout_offset(saved)
    return saved[:offset] + _NO_LIMIT + saved[offset + 4 :]


def _timeout_offset(saved: bytes) -> int:
    offset = _after_text(saved, 4) + 4 * 17  # version, name, options and range of levels
    for _ in range(2):  # generators: whether seeded, state
        offset = _after_text(saved, offset + 4)
    return offset + 4 * 4  # reward, done, level complete, action


def _after_text(saved: bytes, offset: int) -> int:
    (length,) = struct.unpack_from("<i", saved, offset)
    return offset + 4 + int(length)


def _things(saved: bytes, offset: int, count: int) -> Iterator[Thing]:
    for start in range(offset, offset + 4 * _ENTITY_WORDS * count, 4 * _ENTITY_WORDS):
        x, y, vx, vy, _, _, kind = struct.unpack_from("<ffffffi", saved, start)
        yield Thing(kind=kind, x=x, y=y, vx=vx, vy=vy)
