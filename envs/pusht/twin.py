"""The real twin of the PushT world: a round pusher brings a T to a goal pose.

After PushT of Diffusion Policy (Chi et al., 2023), with its own physics (`envs.pusht.physics`) and pictures, on pymunk
alone. The reward of a step is the share of the goal that the T covers, over 0.95 and at most 1; an episode terminates
above 0.95.
"""

import math
from typing import Any, ClassVar

import numpy as np

from envs.pusht.actions import ACTIONS, NUMBERS, REACH
from envs.pusht.drawing import draw
from envs.pusht.physics import STEP_SECONDS, WorldPoses, advance
from envs.pusht.reader import match, read_state
from envs.pusht.shapes import AGENT_RADIUS, GOAL, WALL, WORKSPACE, Point, Pose, coverage, distance_to_t
from envs.twin import Controls, Frame, Simulator, Twin

SUCCESS_COVERAGE = 0.95
_SECTORS = 40  # of block angles, 9 degrees each
_TEST_SECTORS = range(2, _SECTORS, 5)
_MARGIN = 107.0  # workspace pixels between the T's centre and the workspace's edges at the start
_CLEARANCE = 4.0  # between the pusher and the T or a wall
_MOST_COVERED = 0.8  # no start is as good as done


class PushT(Simulator):
    """The simulator; a saved state is the poses of pusher and block, and replays exactly."""

    world: ClassVar[str] = "pusht"
    render_fps: ClassVar[int] = round(1 / STEP_SECONDS)
    actions = ACTIONS
    visible_actions: ClassVar[tuple[str, ...]] = tuple(name for name in NUMBERS if name != ACTIONS.idle)
    probe_steps: ClassVar[int] = 2

    def __init__(self) -> None:
        """Stands at the goal, far from any start; `reset` begins an episode."""
        self.poses = WorldPoses(agent=(WORKSPACE / 2, 2.0 * WALL + AGENT_RADIUS), block=GOAL)
        self.num_steps = 0

    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Draw poses; the block's angle belongs to the test split in every fifth sector of 9 degrees."""
        block = _draw_block(rng, split)
        self.poses = WorldPoses(agent=_draw_agent(rng, block), block=block)
        self.num_steps = 0
        return {}

    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Move the pusher by `REACH` times the action's numbers, as far as it can; the reward is the goal's cover.

        The share of the goal that the T covers counts, over the 0.95 that end an episode, and is at most 1.
        """
        x, y = NUMBERS[ACTIONS.names[action]] if isinstance(action, int) else action.tolist()
        self.poses = advance(self.poses, (REACH * x, REACH * y))
        self.num_steps += 1
        covered = coverage(self.poses.block)
        return min(covered / SUCCESS_COVERAGE, 1.0), covered > SUCCESS_COVERAGE

    def frame(self) -> Frame:
        """The pusher, the block and the goal from above."""
        return draw(self.poses.agent, self.poses.block)

    def clone(self) -> tuple[WorldPoses, int]:
        """The poses, which nothing changes, and the count of steps."""
        return self.poses, self.num_steps

    def restore(self, saved: tuple[WorldPoses, int]) -> None:
        """Go back to a state of `clone`."""
        self.poses, self.num_steps = saved

    def state(self) -> dict[str, Any]:
        """The true state as plain JSON values, with the keys of `read_state`.

        `agent` and `block` (its centre of mass) are workspace pixels, x to the right and y down; `angle` is in degrees
        from 0 to 360, clockwise, 0 with the stem down; `background` says that goal and walls are in their places.
        """
        block = self.poses.block
        return {
            "agent": list(self.poses.agent),
            "block": list(block.centre),
            "angle": math.degrees(block.angle) % 360,
            "background": True,
        }

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows: see `envs.pusht.reader`."""
        return read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`: one pusher, one whole block, goal and walls in their places."""
        return state["agent"] is not None and state["block"] is not None and state["background"] == start["background"]


class PushTTwin(Twin):
    """PushT behind texts, numbered actions or two numbers."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": PushT.render_fps}
    simulator_class = PushT
    simulator: PushT

    def state(self) -> dict[str, Any]:
        """The true state: see `PushT.state`."""
        return self.simulator.state()

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame shows: see `envs.pusht.reader`."""
        return self.simulator.read_state(frame)

    def is_valid(self, start: dict[str, Any], state: dict[str, Any]) -> bool:
        """Whether `state` could follow from `start`."""
        return self.simulator.is_valid(start, state)

    def match_state(self, state: dict[str, Any], true_state: dict[str, Any]) -> dict[str, bool]:
        """For each key whether a state read off a frame has the true value: see `envs.pusht.reader.match`."""
        return match(state, true_state)


def angle_split(angle: float) -> str:
    """The split that a start with this block angle, in radians, belongs to."""
    sector = int(angle % (2 * math.pi) / (2 * math.pi) * _SECTORS)
    return "test" if sector in _TEST_SECTORS else "train"


def _draw_block(rng: np.random.Generator, split: str) -> Pose:
    """Draws until the angle belongs to the split and the task is not done yet."""
    while True:
        x, y = rng.uniform(_MARGIN, WORKSPACE - _MARGIN, 2).tolist()
        block = Pose(centre=(x, y), angle=float(rng.uniform(0.0, 2 * math.pi)))
        if angle_split(block.angle) == split and coverage(block) <= _MOST_COVERED:
            return block


def _draw_agent(rng: np.random.Generator, block: Pose) -> Point:
    """Draws until the pusher is clear of the block."""
    edge = WALL + AGENT_RADIUS + _CLEARANCE
    while True:
        x, y = rng.uniform(edge, WORKSPACE - edge, 2).tolist()
        if distance_to_t(block.unplace(np.array([x, y]))) >= AGENT_RADIUS + _CLEARANCE:
            return x, y
