"""The real twin of the MiniGrid world: MiniGrid's dynamics behind texts and chunks, the whole room in view.

A frame holds all there is to know, so the world is Markov in its pixels: cell (0, 0), always a wall to the dynamics,
is drawn as the inventory, and boxes are empty. For the same reason the reward does not decay with time as MiniGrid's
own does: time is not visible.
"""

import copy
import string
from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt

try:
    from minigrid.core.grid import Grid
    from minigrid.core.mission import MissionSpace
    from minigrid.core.world_object import Door, WorldObj
    from minigrid.minigrid_env import MiniGridEnv
except ImportError as error:
    raise gym.error.DependencyNotInstalled(
        f'the real MiniGrid twin must find the package minigrid, got {error}; run `pip install "wm-gym[minigrid]"`'
    ) from error

from envs import minigrid_reader
from envs.minigrid_actions import ACTION_PHRASES, KEY_MAP, MAX_TEXT_LENGTH, action_index
from envs.minigrid_layouts import GENERATORS, GRID_SIZE, SHARES, Layout, draw_layout
from envs.minigrid_reader import FRAME_SIZE, TILE_SIZE

Frame = npt.NDArray[np.uint8]
ActType = TypeVar("ActType")
SPLITS = ("train", "test")


def _no_mission() -> str:
    return ""


class Simulator(MiniGridEnv):
    """MiniGrid itself, dynamics untouched; it only leaves out the partial view, which nobody here looks at."""

    def __init__(self) -> None:
        """Builds an empty world; `load` fills it."""
        super().__init__(mission_space=MissionSpace(mission_func=_no_mission), grid_size=GRID_SIZE, max_steps=2**62)

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


class _Twin(gym.Env[Frame, ActType], ABC, Generic[ActType]):
    """All that the text twin and the discrete twin share; they differ in the spaces alone."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}
    world = "minigrid"
    chunk_frames = 1
    action_phrases = ACTION_PHRASES
    key_map = KEY_MAP

    def __init__(self, render_mode: str | None = None, layout: str | None = None, split: str = "train") -> None:
        """Args follow `gym.make`.

        Args:
            render_mode: None or `"rgb_array"`.
            layout: `"empty"`, `"doorkey"`, `"objects"`, `"rooms"`, `"crossing"`; None draws one at each reset.
            split: `"train"` or `"test"`; no layout belongs to both.

        Raises:
            ValueError: An argument is outside its choices.
        """
        _check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        _check_choice("layout", layout, (None, *GENERATORS))
        _check_choice("split", split, SPLITS)
        self.render_mode = render_mode
        self.layout = layout
        self.split = split
        self.simulator = Simulator()
        self._background = np.zeros((FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
        self._layout_name: str | None = None
        self._needs_reset = True

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Draws a layout of the env's split and a start; `options` has no keys here and is ignored."""
        super().reset(seed=seed)
        layout = self._draw_layout()
        start = layout.starts[int(self.np_random.integers(len(layout.starts)))]
        self.simulator.load(layout, start, int(self.np_random.integers(4)))
        self._background = _draw_background(layout.grid)
        self._layout_name = layout.name
        self._needs_reset = False
        return self._observation(), {"layout": layout.name}

    def step(self, action: ActType) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Runs MiniGrid's own step; the reward is 1.0 on the goal, which terminates, and else 0.0.

        Raises:
            ValueError: `action` is outside the action space.
            gymnasium.error.ResetNeeded: The episode has not begun or has terminated.
        """
        index = self._action_index(action)
        if self._needs_reset:
            state = "before reset" if self._layout_name is None else "after the episode terminated"
            raise gym.error.ResetNeeded(f"step must follow a reset, got a step {state}; call reset() first")
        _, _, terminated, _, _ = self.simulator.step(index)
        self._needs_reset = bool(terminated)
        return self._observation(), float(terminated), bool(terminated), False, {"layout": self._layout_name}

    def render(self) -> Frame | None:
        """The last frame, uint8 (64, 64, 3), or None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn('render() without a render mode draws nothing; make the env with render_mode="rgb_array"')
            return None
        if self._layout_name is None:
            raise gym.error.ResetNeeded("render must follow a reset, got a render before reset; call reset() first")
        return self._draw_frame()

    def state(self) -> dict[str, Any]:
        """The true state as plain JSON values, with the keys of `read_state`.

        Cells are `"x,y"`, x to the right and y down; directions are 0 right, 1 down, 2 left, 3 up; `walls` has one
        character a cell, row by row.
        """
        simulator = self.simulator
        things = simulator.grid.grid
        cells = [f"{index % GRID_SIZE},{index // GRID_SIZE}" for index in range(len(things))]
        present = [(cell, thing) for cell, thing in zip(cells, things, strict=True) if thing is not None]
        return {
            "agent": [int(i) for i in simulator.agent_pos],
            "direction": int(simulator.agent_dir),
            "num_agents": 1,
            "carried": None if simulator.carrying is None else _name(simulator.carrying),
            "doors": {cell: _name(thing) for cell, thing in present if thing.type == "door"},
            "objects": {cell: _name(thing) for cell, thing in present if thing.type in ("key", "ball", "box")},
            "goal": next((cell for cell, thing in present if thing.type == "goal"), None),
            "walls": "".join("1" if thing is not None and thing.type == "wall" else "0" for thing in things),
        }

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows, read from its pixels only: see `envs.minigrid_reader`."""
        return minigrid_reader.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: exactly one agent, and the walls unchanged."""
        return bool(state["num_agents"] == 1 and state["walls"] == start["walls"])

    def clone_state(self, include_rng: bool = False) -> dict[str, Any]:
        """A copy of the world for `restore_state` (ALE's names); with `include_rng` also of the generator.

        The step count of a time limit around the env is not part of it.
        """
        simulator = self.simulator
        world = (simulator.grid, simulator.agent_pos, simulator.agent_dir, simulator.carrying, simulator.step_count)
        return {
            "world": copy.deepcopy(world),
            "layout": self._layout_name,
            "needs_reset": self._needs_reset,
            "rng": self.np_random.bit_generator.state if include_rng else None,
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Goes back to a state of `clone_state`, which stays usable."""
        simulator = self.simulator
        world = copy.deepcopy(state["world"])
        simulator.grid, simulator.agent_pos, simulator.agent_dir, simulator.carrying, simulator.step_count = world
        self._background = _draw_background(simulator.grid)
        self._layout_name = state["layout"]
        self._needs_reset = state["needs_reset"]
        if state["rng"] is not None:
            self.np_random.bit_generator.state = state["rng"]

    def _draw_layout(self) -> Layout:
        name = self.layout or str(self.np_random.choice(list(SHARES), p=list(SHARES.values())))
        while True:
            layout = draw_layout(name, self.np_random)
            if layout.split == self.split:
                return layout

    def _draw_frame(self) -> Frame:
        """What MiniGrid renders at 8 pixels a tile without highlight, with the inventory on cell (0, 0)."""
        simulator = self.simulator
        frame = self._background.copy()
        agent = simulator.agent_pos[1] * GRID_SIZE + simulator.agent_pos[0]
        for index, thing in enumerate(simulator.grid.grid):
            if index == agent:
                _blit(frame, index, Grid.render_tile(thing, agent_dir=simulator.agent_dir, tile_size=TILE_SIZE))
            elif thing is not None and thing.type != "wall":
                _blit(frame, index, Grid.render_tile(thing, tile_size=TILE_SIZE))
        _blit(frame, 0, Grid.render_tile(simulator.carrying, tile_size=TILE_SIZE))
        return frame

    @abstractmethod
    def _observation(self) -> Frame:
        """What the agent sees."""

    @abstractmethod
    def _action_index(self, action: ActType) -> int:
        """The simulator's number of an action."""


class MiniGridTwin(_Twin[str]):
    """The twin with text actions and a chunk of one frame as observation, uint8 (1, 64, 64, 3)."""

    def __init__(self, render_mode: str | None = None, layout: str | None = None, split: str = "train") -> None:
        """See `gym.make("envs:real/MiniGrid-v0", render_mode=None, layout=None, split="train")`."""
        super().__init__(render_mode, layout, split)
        shape = (self.chunk_frames, FRAME_SIZE, FRAME_SIZE, 3)
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gym.spaces.Text(MAX_TEXT_LENGTH, min_length=0, charset=string.printable)

    def _observation(self) -> Frame:
        return self._draw_frame()[None]

    def _action_index(self, action: str) -> int:
        return action_index(action)


class MiniGridDiscreteTwin(_Twin[np.int64]):
    """The twin with `Discrete(7)` actions in the order of `action_phrases` and the frame, uint8 (64, 64, 3)."""

    def __init__(self, render_mode: str | None = None, layout: str | None = None, split: str = "train") -> None:
        """See `gym.make("envs:real/MiniGridDiscrete-v0", render_mode=None, layout=None, split="train")`."""
        super().__init__(render_mode, layout, split)
        self.observation_space = gym.spaces.Box(0, 255, (FRAME_SIZE, FRAME_SIZE, 3), np.uint8)
        self.action_space = gym.spaces.Discrete(len(ACTION_PHRASES))

    def _observation(self) -> Frame:
        return self._draw_frame()

    def _action_index(self, action: np.int64) -> int:
        if not self.action_space.contains(action):
            raise ValueError(
                f"action must be an integer in 0..{len(ACTION_PHRASES) - 1}, got {action!r}; "
                "see env.unwrapped.action_phrases for their order"
            )
        return int(action)


def _check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}; pick one of these")


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
