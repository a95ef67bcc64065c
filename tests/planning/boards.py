"""A world with known dynamics behind the face of a world model: what a planner should find in it can be worked out.

It is the board of `tests.worlds`: a tile slides on 4x4 cells without edges; the goal, in the corner, gives 1 and ends.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tests.worlds import FRAME_SIZE, GOAL, MOVES, TILE_PIXELS, TILES, draw
from wm_gym.actions import Action
from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.step_output import StepOutput
from wm_gym.transition.round_cache import RoundCache
from wm_gym.world_state import WorldState

Cell = tuple[int, int]
VOCABULARY = ("go left", "go right", "go down", "wait")
UNSURE = 0.5  # uncertainty of the cells that the board does not know


class Board:
    """Steps boards exactly, and counts what it is asked.

    Args:
        unsure: cells whose sight is uncertain.
        walls: cells that nobody enters.
    """

    def __init__(self, unsure: frozenset[Cell] = frozenset(), walls: frozenset[Cell] = frozenset()) -> None:
        self.unsure = unsure
        self.walls = walls
        self.batches: list[int] = []

    def reset(self, *cells: Cell) -> WorldState:
        """One board for each cell, the tile on it."""
        frames = torch.from_numpy(np.stack([draw(cell) for cell in cells]))[:, None]
        count = torch.zeros(len(cells), dtype=torch.int64)
        nothing = torch.zeros(len(cells), 1, 1, 0, 1)
        return WorldState(
            weights_hash="board",
            seeds=count,
            rounds=count,
            frames=frames,
            latents=_latents(frames),
            observation_tokens=torch.zeros(len(cells), 1, 1),
            transition=RoundCache(keys=nothing, values=nothing, rounds=count),
            decoder=ChunkCache(keys=nothing.mT[:, :, :0], values=nothing.mT[:, :, :0], chunks=count),
        )

    def step(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        """Slide every tile by one cell; numbers (right, down) slide by their signs."""
        self.batches.append(len(actions))
        cells = [self._move(cell_of(frame), action) for frame, action in zip(state.frames, actions, strict=True)]
        after = self.reset(*cells)
        arrived = torch.tensor([cell == GOAL for cell in cells])
        output = StepOutput(
            frames=after.frames.clone(),
            reward=arrived.float(),
            terminated=arrived,
            termination_probability=arrived.float(),
            uncertainty=torch.tensor([UNSURE if cell in self.unsure else 0.0 for cell in cells]),
            latencies={},
        )
        return after, output

    def _move(self, cell: Cell, action: Action) -> Cell:
        if isinstance(action, str):
            right, down = MOVES.get(action.rpartition(" ")[2], (0, 0))
        else:
            right, down = (int(np.sign(number)) if abs(number) > 0.5 else 0 for number in action)
        to = ((cell[0] + right) % TILES, (cell[1] + down) % TILES)
        return cell if to in self.walls or cell == GOAL else to


def cell_of(frame: Tensor) -> Cell:
    """Where the tile is."""
    tiles = frame.reshape(TILES, TILE_PIXELS, TILES, TILE_PIXELS, 3)[:, 0, :, 0]
    row, column = (int(i) for i in (tiles[..., 0] == 220).nonzero()[0])
    return column, row


def _latents(frames: Tensor) -> Tensor:
    """Mean colour of each tile, in [0, 1], in the layout of latents."""
    height, width = (side // TILE_PIXELS for side in FRAME_SIZE)
    tiles = frames.float().reshape(len(frames), 1, height, TILE_PIXELS, width, TILE_PIXELS, 3).mean(dim=(3, 5)) / 255
    return tiles.permute(0, 1, 4, 2, 3)
