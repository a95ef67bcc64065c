"""Reads the state of a MiniGrid world off its pixels alone, by the nearest of all tiles that MiniGrid can draw.

The reader shares nothing with the simulator but MiniGrid's tile painter: it is the judge of generated frames.
"""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Door, Goal, Key, Wall, WorldObj

GRID_SIZE = 8
TILE_SIZE = 8
FRAME_SIZE = GRID_SIZE * TILE_SIZE


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What a tile shows: a thing, and the direction of the agent on it."""

    kind: str  # "", "wall", "goal", "door" or "object"
    name: str  # such as "red key" or "red locked"
    direction: int | None = None


def read_state(frame: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """The state that a frame shows.

    With more than one agent in the picture `agent` and `direction` are None and `num_agents` tells; more than one goal
    reads as their cells joined by spaces; a tile that no inventory can show reads by its name in `carried`. So a broken
    frame never reads equal to a sound state.

    Args:
        frame: uint8 (64, 64, 3).

    Raises:
        ValueError: `frame` has another shape or dtype.
    """
    tiles, _ = _templates()
    nearest = read_tiles(frame)
    busy = [(index, tiles[code]) for index, code in enumerate(nearest.tolist()) if code != 0]
    agents = [(index, tile) for index, tile in busy if tile.direction is not None]
    alone = agents[0] if len(agents) == 1 else None
    rest = [(_cell(index), tile) for index, tile in busy if index > 0]
    carried = tiles[int(nearest[0])]
    walls = ["1"] + ["1" if tiles[code].kind == "wall" else "0" for code in nearest[1:].tolist()]
    return {
        "agent": None if alone is None else [alone[0] % GRID_SIZE, alone[0] // GRID_SIZE],
        "direction": None if alone is None else alone[1].direction,
        "num_agents": len(agents),
        "carried": carried.name or None,
        "doors": {cell: tile.name for cell, tile in rest if tile.kind == "door"},
        "objects": {cell: tile.name for cell, tile in rest if tile.kind == "object"},
        "goal": " ".join(cell for cell, tile in rest if tile.kind == "goal") or None,
        "walls": "".join(walls),
    }


def read_tiles(frame: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The number of the nearest tile (least squared distance over the pixels) for each of the 64 cells, row by row.

    Raises:
        ValueError: `frame` is not a uint8 array of shape (64, 64, 3).
    """
    shape = (FRAME_SIZE, FRAME_SIZE, 3)
    if not isinstance(frame, np.ndarray) or frame.shape != shape or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise ValueError(f"frame must be a uint8 array of shape {shape}, got {got}; pass one frame of a chunk")
    _, templates = _templates()
    pixels = frame.reshape(GRID_SIZE, TILE_SIZE, GRID_SIZE, TILE_SIZE, 3).swapaxes(1, 2)
    pixels = pixels.reshape(GRID_SIZE * GRID_SIZE, -1).astype(np.float32)
    distances = (templates * templates).sum(1) - 2 * pixels @ templates.T  # (64, tiles), up to a constant of each cell
    return np.asarray(distances.argmin(1))


@functools.cache
def _templates() -> tuple[list[Tile], npt.NDArray[np.float32]]:
    """All tiles and their pixels, float32 (tiles, 192); tile 0 is the empty floor."""
    entries: list[tuple[Tile, WorldObj | None]] = [
        (Tile(kind="", name=""), None),
        (Tile(kind="wall", name="wall"), Wall()),
        (Tile(kind="goal", name="goal"), Goal()),
    ]
    for color in COLOR_NAMES:
        for kind in (Key, Ball, Box):
            entries.append((Tile(kind="object", name=f"{color} {kind.__name__.lower()}"), kind(color)))
        entries.append((Tile(kind="door", name=f"{color} open"), Door(color, is_open=True)))
        entries.append((Tile(kind="door", name=f"{color} closed"), Door(color)))
        entries.append((Tile(kind="door", name=f"{color} locked"), Door(color, is_locked=True)))
    drawn = [(tile, Grid.render_tile(thing, tile_size=TILE_SIZE)) for tile, thing in entries]
    for tile, thing in entries:
        if thing is None or thing.can_overlap():
            for direction in range(4):
                image = Grid.render_tile(thing, agent_dir=direction, tile_size=TILE_SIZE)
                drawn.append((Tile(kind=tile.kind, name=tile.name, direction=direction), image))
    return [tile for tile, _ in drawn], np.stack([image.reshape(-1) for _, image in drawn]).astype(np.float32)


def _cell(index: int) -> str:
    return f"{index % GRID_SIZE},{index // GRID_SIZE}"
