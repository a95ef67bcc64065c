"""The real twin of the MiniGrid world: MiniGrid's dynamics behind texts and chunks, the whole room in view.

A frame holds all there is to know, so the world is Markov in its pixels: cell (0, 0), always a wall to the dynamics,
is drawn as the inventory, and boxes are empty. For the same reason the reward does not decay with time as MiniGrid's
own does: time is not visible.
"""

import copy
from typing import Any

import gymnasium as gym
import numpy as np

try:
    from minigrid.core.grid import Grid
    from minigrid.core.mission import MissionSpace
    from minigrid.core.world_object import Door, WorldObj
    from minigrid.minigrid_env import MiniGridEnv
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real MiniGrid twin must find the package minigrid, got {error}; run `pip install "wm-gym[minigrid]"`'
    ) from error

from envs.minigrid import reader as minigrid_reader
from envs.minigrid.actions import ACTIONS
from envs.minigrid.layouts import GENERATORS, GRID_SIZE, SHARES, Layout, draw_layout
from envs.minigrid.reader import FRAME_SIZE, TILE_SIZE
from envs.twin import Controls, Frame, Simulator, Twin


def _no_mission() -> str:
    return ""


class GridEnv(MiniGridEnv):
    """MiniGrid itself, dynamics untouched; it only leaves out the observations, which nobody here looks at."""

    def __init__(self, grid_size: int = GRID_SIZE) -> None:
        """Builds an empty world; `load` fills it."""
        super().__init__(mission_space=MissionSpace(mission_func=_no_mission), grid_size=grid_size, max_steps=2**62)

    def load(self, layout: Layout, start: tuple[int, int], direction: int) -> None:
        """Puts the agent into a layout with empty hands."""
        self.grid = layout.grid
        self.agent_pos = start
        self.agent_dir = direction
        self.carrying = None
        self.step_count = 0

    def gen_obs(self) -> dict[str, Any]:
        """Nothing: the twin draws its own frames."""
        return {}

    def _gen_grid(self, width: int, height: int) -> None:
        self.grid = Grid(width, height)


class MiniGrid(Simulator):
    """Draws layouts of a split, lets MiniGrid act in them, and paints the room.

    Attributes:
        layout: the kind of layout that every reset draws, or None for a kind drawn at each.
        grid_env: MiniGrid.
    """

    world = "minigrid"
    frame_size = (FRAME_SIZE, FRAME_SIZE)
    render_fps = 10
    actions = ACTIONS
    visible_actions = tuple(name for name in ACTIONS.names if name != ACTIONS.idle)

    def __init__(self, layout: str | None = None) -> None:
        """Builds an empty world.

        Args:
            layout: `"empty"`, `"doorkey"`, `"objects"`, `"rooms"`, `"crossing"`; None draws one at each reset.

        Raises:
            ValueError: There is no such layout.
        """
        if layout is not None and layout not in GENERATORS:
            choices = ", ".join(map(repr, (None, *GENERATORS)))
            raise ValueError(f"layout must be one of {choices}, got {layout!r}; pick one of these")
        self.layout = layout
        self.grid_env = GridEnv()
        self._background = np.zeros((FRAME_SIZE, FRAME_SIZE, 3), np.uint8)

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Draws a layout of the split and a start."""
        layout = self._draw_layout(rng, split)
        start = layout.starts[int(rng.integers(len(layout.starts)))]
        self.grid_env.load(layout, start, int(rng.integers(4)))
        self._background = _draw_background(layout.grid)
        return {"layout": layout.name}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Runs MiniGrid's own step; the reward is 1.0 on the goal, which terminates, and else 0.0."""
        _, _, terminated, _, _ = self.grid_env.step(action)
        return float(terminated), bool(terminated)

    def happen(self, event: str) -> None:
        """Doors that are not locked open, or close unless the agent stands in them; or the agent turns half round."""
        grid_env = self.grid_env
        if event == "agent turned":
            grid_env.agent_dir = (grid_env.agent_dir + 2) % 4
            return
        for door in (thing for thing in grid_env.grid.grid if isinstance(thing, Door) and not thing.is_locked):
            if event == "doors open" or door is not grid_env.grid.get(*grid_env.agent_pos):
                door.is_open = event == "doors open"

    def frame(self) -> Frame:
        """What MiniGrid renders at 8 pixels a tile without highlight, with the inventory on cell (0, 0)."""
        grid_env = self.grid_env
        frame = self._background.copy()
        agent = grid_env.agent_pos[1] * GRID_SIZE + grid_env.agent_pos[0]
        for index, thing in enumerate(grid_env.grid.grid):
            if index == agent:
                _blit(frame, index, Grid.render_tile(thing, agent_dir=grid_env.agent_dir, tile_size=TILE_SIZE))
            elif thing is not None and thing.type != "wall":
                _blit(frame, index, Grid.render_tile(thing, tile_size=TILE_SIZE))
        _blit(frame, 0, Grid.render_tile(grid_env.carrying, tile_size=TILE_SIZE))
        return frame

    def clone(self) -> Any:
        """A copy of the grid and of the agent."""
        grid_env = self.grid_env
        return copy.deepcopy(
            (grid_env.grid, grid_env.agent_pos, grid_env.agent_dir, grid_env.carrying, grid_env.step_count)
        )

    def restore(self, saved: Any) -> None:
        """Goes back to a state of `clone`, which stays usable."""
        grid_env = self.grid_env
        grid_env.grid, grid_env.agent_pos, grid_env.agent_dir, grid_env.carrying, grid_env.step_count = copy.deepcopy(
            saved
        )
        self._background = _draw_background(grid_env.grid)

    def state(self) -> dict[str, Any]:
        """The true state as plain JSON values, with the keys of `read_state`.

        Cells are `"x,y"`, x to the right and y down; directions are 0 right, 1 down, 2 left, 3 up; `walls` has one
        character a cell, row by row.
        """
        grid_env = self.grid_env
        things = grid_env.grid.grid
        cells = [f"{index % GRID_SIZE},{index // GRID_SIZE}" for index in range(len(things))]
        present = [(cell, thing) for cell, thing in zip(cells, things, strict=True) if thing is not None]
        return {
            "agent": [int(i) for i in grid_env.agent_pos],
            "direction": int(grid_env.agent_dir),
            "num_agents": 1,
            "carried": None if grid_env.carrying is None else _name(grid_env.carrying),
            "doors": {cell: _name(thing) for cell, thing in present if thing.type == "door"},
            "objects": {cell: _name(thing) for cell, thing in present if thing.type in ("key", "ball", "box")},
            "goal": next((cell for cell, thing in present if thing.type == "goal"), None),
            "walls": "".join("1" if thing is not None and thing.type == "wall" else "0" for thing in things),
        }

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.minigrid.reader`."""
        return minigrid_reader.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: exactly one agent, and the walls unchanged."""
        return bool(state["num_agents"] == 1 and state["walls"] == start["walls"])

    def _draw_layout(self, rng: np.random.Generator, split: str) -> Layout:
        name = self.layout or str(rng.choice(list(SHARES), p=list(SHARES.values())))
        while True:
            layout = draw_layout(name, rng)
            if layout.split == split:
                return layout


class MiniGridTwin(Twin):
    """The twin of MiniGrid; `layout` is the option of its simulator."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": MiniGrid.render_fps}
    simulator_class = MiniGrid
    simulator: MiniGrid

    def state(self) -> dict[str, Any]:
        """The true state: see `MiniGrid.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame shows: see `MiniGrid.read_state`."""
        return self.simulator.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: see `MiniGrid.is_valid`."""
        return self.simulator.is_valid(start, state)


def _name(thing: WorldObj) -> str:
    if isinstance(thing, Door):
        return f"{thing.color} {'open' if thing.is_open else 'locked' if thing.is_locked else 'closed'}"
    return f"{thing.color} {thing.type}"


def _draw_background(grid: Grid) -> Frame:
    """Walls and floor: the part of the frame that never changes in an episode."""
    frame = np.empty((FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
    for index, thing in enumerate(grid.grid):
        fixed = thing if thing is not None and thing.type == "wall" else None
        _blit(frame, index, Grid.render_tile(fixed, tile_size=TILE_SIZE))
    return frame


def _blit(frame: Frame, index: int, tile: Frame) -> None:
    x, y = index % GRID_SIZE * TILE_SIZE, index // GRID_SIZE * TILE_SIZE
    frame[y : y + TILE_SIZE, x : x + TILE_SIZE] = tile
