"""Reads a view off a frame's pixels alone: each tile becomes the nearest of MiniGrid's own 30 that the world can show.

It knows nothing of the simulator but MiniGrid's tile painter: it is the judge of generated frames.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.constants import COLOR_NAMES
from minigrid.core.grid import Grid
from minigrid.core.world_object import Ball, Box, Floor, Key, Wall, WorldObj

VIEW_SIZE = 7
"""Tiles a side of what is seen."""

TILE_SIZE = 8
FRAME_SIZE = 64
AGENT = (VIEW_SIZE // 2, VIEW_SIZE - 1)
"""The agent's own tile (x, y): the middle of the bottom row, from where it looks up."""

UP = 3
"""The direction that the agent looks in its own view."""

UNREADABLE = "?"
"""What a tile reads as that is like none of MiniGrid's."""

_FURTHEST = 32.0  # 8-bit levels, root mean square over a tile's pixels: half way between two shades of coloured floor


def read_view(frame: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """What a frame shows: see `describe_view`. The black rim at the right and at the bottom is not looked at.

    Args:
        frame: uint8 (64, 64, 3).

    Raises:
        ValueError: `frame` has another shape or dtype.
    """
    return describe_view(read_tile_names(frame))


def describe_view(names: list[str]) -> dict[str, Any]:
    """A view as plain JSON values, from the names of its 49 tiles row by row.

    Returns:
        `view`: the name of each tile by `"x,y"`, x to the right and y down; `num_agents`: how many of them show an
        agent; `agent` and `direction` (0 right, 1 down, 2 left, 3 up): where it is and looks, None unless there is one.
    """
    agents = [index for index, name in enumerate(names) if name.startswith("agent")]
    alone = agents[0] if len(agents) == 1 else None
    return {
        "agent": None if alone is None else [alone % VIEW_SIZE, alone // VIEW_SIZE],
        "direction": None if alone is None else int(names[alone].split()[1]),
        "num_agents": len(agents),
        "view": {f"{index % VIEW_SIZE},{index // VIEW_SIZE}": name for index, name in enumerate(names)},
    }


def read_tile_names(frame: npt.NDArray[np.uint8]) -> list[str]:
    """The names of the 49 tiles, row by row: such as "floor", "red floor", "blue key", "wall", "agent 3" or "?".

    Raises:
        ValueError: `frame` is not a uint8 array of shape (64, 64, 3).
    """
    shape = (FRAME_SIZE, FRAME_SIZE, 3)
    if not isinstance(frame, np.ndarray) or frame.shape != shape or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise ValueError(f"frame must be a uint8 array of shape {shape}, got {got}; pass one frame of a chunk")
    names, tiles = tile_templates()
    side = VIEW_SIZE * TILE_SIZE
    pixels = frame[:side, :side].reshape(VIEW_SIZE, TILE_SIZE, VIEW_SIZE, TILE_SIZE, 3).swapaxes(1, 2)
    pixels = pixels.reshape(VIEW_SIZE * VIEW_SIZE, -1).astype(np.float32)
    distances = ((pixels[:, None] - tiles) ** 2).mean(2)  # (49, tiles)
    nearest = distances.argmin(1)
    readable = distances.min(1) <= _FURTHEST**2
    return [names[code] if known else UNREADABLE for code, known in zip(nearest, readable, strict=True)]


@functools.cache
def tile_templates() -> tuple[list[str], npt.NDArray[np.float32]]:
    """The names of all tiles that a view can show, and their pixels, float32 (tiles, 192)."""
    things: list[WorldObj | None] = [None, Wall()]
    things += [kind(color) for color in COLOR_NAMES for kind in (Floor, Key, Ball, Box)]
    drawn = {name_of(thing): Grid.render_tile(thing, tile_size=TILE_SIZE) for thing in things}
    for direction in range(4):
        drawn[f"agent {direction}"] = Grid.render_tile(None, agent_dir=direction, tile_size=TILE_SIZE)
    return list(drawn), np.stack([image.reshape(-1) for image in drawn.values()]).astype(np.float32)


def name_of(thing: WorldObj | None) -> str:
    """What a cell with this content is called: "floor" where it is bare."""
    if thing is None:
        return "floor"
    return "wall" if thing.type == "wall" else f"{thing.color} {thing.type}"
