"""Shortest routes over the poses (x, y, direction) of a MiniGrid agent, with a price for what stands in the way."""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from minigrid.core.world_object import Door, WorldObj
from minigrid.minigrid_env import MiniGridEnv

Cell = tuple[int, int]
Pose = tuple[int, int, int]

STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # direction -> (dx, dy), y down


class Action(IntEnum):
    """MiniGrid's actions by the names of their texts."""

    TURN_LEFT = 0
    TURN_RIGHT = 1
    MOVE_FORWARD = 2
    PICK_UP = 3
    DROP = 4
    TOGGLE = 5
    WAIT = 6


@dataclass(frozen=True, kw_only=True)
class Routes:
    """All poses that a search reached: their prices and how they were reached."""

    prices: dict[Pose, float]
    parents: dict[Pose, tuple[Pose, Action]]

    def actions_to(self, pose: Pose) -> list[tuple[Pose, Action]]:
        """The way to `pose`: each action with the pose it is taken in."""
        way = []
        while pose in self.parents:
            pose, action = self.parents[pose]
            way.append((pose, action))
        return way[::-1]

    def facing(self, cell: Cell) -> Pose | None:
        """The cheapest reached pose that looks at `cell`."""
        poses = [(cell[0] - dx, cell[1] - dy, direction) for direction, (dx, dy) in enumerate(STEPS)]
        return min((pose for pose in poses if pose in self.prices), key=self.prices.__getitem__, default=None)

    def standing(self, cell: Cell) -> Pose | None:
        """The cheapest reached pose on `cell`."""
        poses = [(*cell, direction) for direction in range(4)]
        return min((pose for pose in poses if pose in self.prices), key=self.prices.__getitem__, default=None)


def front(pose: Pose) -> Cell:
    """The cell that a pose looks at."""
    dx, dy = STEPS[pose[2]]
    return pose[0] + dx, pose[1] + dy


def pose_of(simulator: MiniGridEnv) -> Pose:
    """The agent's pose."""
    x, y = simulator.agent_pos
    return int(x), int(y), int(simulator.agent_dir)


def search(simulator: MiniGridEnv, price: Callable[[WorldObj | None], float]) -> Routes:
    """Dijkstra from the agent's pose.

    Args:
        simulator: The world; it is only read.
        price: What it costs to enter a cell with this content, `inf` for never; a turn costs 1.
    """
    start = pose_of(simulator)
    prices: dict[Pose, float] = {start: 0.0}
    parents: dict[Pose, tuple[Pose, Action]] = {}
    heap = [(0.0, start)]
    while heap:
        cost, pose = heapq.heappop(heap)
        if cost > prices[pose]:
            continue
        x, y, direction = pose
        ahead = front(pose)
        options = (
            (1.0, Action.TURN_LEFT, (x, y, (direction - 1) % 4)),
            (1.0, Action.TURN_RIGHT, (x, y, (direction + 1) % 4)),
            (price(simulator.grid.get(*ahead)), Action.MOVE_FORWARD, (*ahead, direction)),
        )
        for extra, action, target in options:
            if cost + extra < prices.get(target, math.inf):
                prices[target] = cost + extra
                parents[target] = (pose, action)
                heapq.heappush(heap, (cost + extra, target))
    return Routes(prices=prices, parents=parents)


def free_price(thing: WorldObj | None) -> float:
    """1 for a cell that can be entered as it is and does not end the episode, `inf` for all others."""
    if thing is None or (isinstance(thing, Door) and thing.is_open):
        return 1.0
    return math.inf
