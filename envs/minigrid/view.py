"""MiniGrid seen from within: of a large, unchanging place only the 7x7 cells ahead of the agent are in the picture.

Nothing ever changes but where the agent stands and looks, so whatever a world forgets here, it forgot by itself: the
twin is the yardstick of long memory. The picture is the agent's view as MiniGrid draws it, nothing hidden behind
anything and no highlight, at 8 pixels a tile in the upper left corner; the rest is black.
"""

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
from minigrid.core.grid import Grid

from envs.minigrid.layouts import Layout
from envs.minigrid.twin import GridEnv
from envs.minigrid.view_actions import ACTIONS
from envs.minigrid.view_layouts import VIEW_GRID_SIZE, draw_view_layout
from envs.minigrid.view_reader import (
    AGENT,
    FRAME_SIZE,
    TILE_SIZE,
    UNREADABLE,
    UP,
    VIEW_SIZE,
    describe_view,
    name_of,
    read_view,
)
from envs.twin import Controls, Frame, Simulator, Twin

_CELLS = np.pad(np.arange(VIEW_GRID_SIZE**2).reshape(VIEW_GRID_SIZE, -1), VIEW_SIZE, constant_values=-1)


class MiniGridView(Simulator):
    """Draws layouts of a split, lets MiniGrid move in them, and paints what the agent sees.

    Attributes:
        grid_env: MiniGrid.
    """

    world = "minigrid_view"
    frame_size = (FRAME_SIZE, FRAME_SIZE)
    render_fps = 10
    actions = ACTIONS
    visible_actions = tuple(name for name in ACTIONS.names if name != ACTIONS.idle)

    def __init__(self) -> None:
        """Builds an empty world."""
        self.grid_env = GridEnv(VIEW_GRID_SIZE)
        self.grid_env.agent_view_size = VIEW_SIZE
        self.grid_env.see_through_walls = True

    @property
    def pose(self) -> tuple[int, int, int]:
        """Where the agent stands (x, y) and looks (0 right, 1 down, 2 left, 3 up): what no frame shows."""
        x, y = self.grid_env.agent_pos
        return int(x), int(y), int(self.grid_env.agent_dir)

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Draws a layout of the split and a start."""
        layout = _draw_layout(rng, split)
        start = layout.starts[int(rng.integers(len(layout.starts)))]
        self.grid_env.load(layout, start, int(rng.integers(4)))
        return {"layout": layout.name}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Runs MiniGrid's own step, "wait" as its `done`; there is no reward and no end."""
        moves = self.grid_env.actions
        self.grid_env.step((moves.left, moves.right, moves.forward, moves.done)[int(action)])
        return 0.0, False

    def frame(self) -> Frame:
        """The agent's view: it stands in the middle of the bottom row and looks up; beyond the outer walls is wall."""
        frame = np.zeros((FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
        side = VIEW_SIZE * TILE_SIZE
        frame[:side, :side] = self._view().render(TILE_SIZE, AGENT, UP)
        return frame

    def clone(self) -> Any:
        """A copy of the grid and of the agent."""
        grid_env = self.grid_env
        return copy.deepcopy((grid_env.grid, grid_env.agent_pos, grid_env.agent_dir, grid_env.step_count))

    def restore(self, saved: Any) -> None:
        """Goes back to a state of `clone`, which stays usable."""
        grid_env = self.grid_env
        grid_env.grid, grid_env.agent_pos, grid_env.agent_dir, grid_env.step_count = copy.deepcopy(saved)

    def state(self) -> dict[str, Any]:
        """What the picture shows, and no more: see `envs.minigrid.view_reader.describe_view`."""
        names = [name_of(thing) for thing in self._view().grid]
        names[AGENT[1] * VIEW_SIZE + AGENT[0]] = f"agent {UP}"
        return describe_view(names)

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.minigrid.view_reader`."""
        return read_view(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether a view is one at all: the agent alone, at its place and looking up, and every tile readable."""
        placed = (state["num_agents"], state["agent"], state["direction"]) == (1, list(AGENT), UP)
        return placed and UNREADABLE not in state["view"].values()

    def places_in_sight(self) -> npt.NDArray[np.int64]:
        """The cell that each 8x8 pixels of the frame show, (8, 8): y * 17 + x; -1 outside and under the agent."""
        grid_env: Any = self.grid_env
        left, top, _, _ = grid_env.get_view_exts()
        window = _CELLS[top + VIEW_SIZE : top + 2 * VIEW_SIZE, left + VIEW_SIZE : left + 2 * VIEW_SIZE]
        places = np.full((FRAME_SIZE // TILE_SIZE,) * 2, -1)
        places[:VIEW_SIZE, :VIEW_SIZE] = np.rot90(window, grid_env.agent_dir + 1)
        places[AGENT[1], AGENT[0]] = -1
        return places

    def _view(self) -> Grid:
        grid_env: Any = self.grid_env  # MiniGrid's own are untyped
        view: Grid = grid_env.gen_obs_grid()[0]
        return view


class MiniGridViewTwin(Twin):
    """The twin of `MiniGridView`."""

    simulator_class = MiniGridView
    simulator: MiniGridView

    def state(self) -> dict[str, Any]:
        """What the picture shows: see `MiniGridView.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """What a frame shows: see `MiniGridView.read_state`."""
        return self.simulator.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` is a view at all: see `MiniGridView.is_valid`."""
        return self.simulator.is_valid(start, state)

    def places_in_sight(self) -> npt.NDArray[np.int64]:
        """Which cells are in sight: see `MiniGridView.places_in_sight`."""
        return self.simulator.places_in_sight()


def _draw_layout(rng: np.random.Generator, split: str) -> Layout:
    while True:
        layout = draw_view_layout(rng)
        if layout.split == split:
            return layout
