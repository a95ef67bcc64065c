"""An expert for the PushT twin: it tries pushes in the simulator and walks to where the best one begins.

A push gains what it takes off the mean distance of the T's corners from their places at the goal.
"""

import numpy as np

from envs.pusht.physics import WorldPoses
from envs.pusht.shapes import GOAL, T_CORNERS, Pose
from policies.pusht.routes import STRAIGHT_AXIS, Move, Push, moved, search, tilted_axis

_LONGEST_PUSH = 4  # steps
_FINALISTS = 8  # pushes tried to the end, of those whose first step promises most
_OVERHEAD = 3.0  # steps added to the price of a plan: few long plans beat many short ones
_FRACTIONS = (0.25, 0.5, 0.75)  # of a step
_GOAL_CORNERS = GOAL.place(T_CORNERS)


def distance_to_goal(block: Pose) -> float:
    """How far the T's corners are from their places at the goal on average, in workspace pixels."""
    return float(np.hypot(*(block.place(T_CORNERS) - _GOAL_CORNERS).T).mean())


class Expert:
    """Keeps a plan, a way with a push at its end, and makes a new one when that is used up or forgotten."""

    def __init__(self, rng: np.random.Generator, fine: bool) -> None:
        """`fine` allows what no text can say: moves at any angle, and a fraction of one at the end of a push."""
        self._rng = rng
        self._fine = fine
        self._sizes = (*_FRACTIONS, 1.0) if fine else (1.0,)
        self._plan: list[Move] = []

    def forget(self) -> None:
        """Drops the plan: the world has changed behind its back."""
        self._plan = []

    def act(self, poses: WorldPoses) -> Move:
        """The next action."""
        if not self._plan:
            self._plan = self._make_plan(poses)
        return self._plan.pop(0)

    def _make_plan(self, poses: WorldPoses) -> list[Move]:
        """The plan with the largest gain a step; where none gains anything, a random move."""
        routes = search(poses, tilted_axis(self._rng) if self._fine else STRAIGHT_AXIS)
        promises = [(self._promise(push) / _price(push, 1), push) for push in routes.pushes(poses.block)]
        promises = sorted((entry for entry in promises if entry[0] > 0), key=lambda entry: -entry[0])
        plans = [self._lengthen(push) for _, push in promises[:_FINALISTS]]
        gain, plan = max(plans, key=lambda entry: entry[0], default=(0.0, []))
        return plan if gain > 0 else [routes.board.moves[int(self._rng.integers(8))]]

    def _promise(self, push: Push) -> float:
        """The gain of a push's first move, at best if a part of it may be left out."""
        before, after = push.start.block, moved(push.start, push.move).block
        (x, y), (u, v) = before.centre, after.centre
        middles = [
            Pose(centre=(x + s * (u - x), y + s * (v - y)), angle=before.angle + s * (after.angle - before.angle))
            for s in self._sizes
        ]
        return distance_to_goal(before) - min(distance_to_goal(pose) for pose in middles)

    def _lengthen(self, push: Push) -> tuple[float, list[Move]]:
        """The best length of a push, as its gain a step and the whole plan."""
        now, before = push.start, distance_to_goal(push.start.block)
        best, plan = 0.0, list[Move]()
        for length in range(_LONGEST_PUSH):
            for size in self._sizes:
                last = (size * push.move[0], size * push.move[1])
                after = moved(now, last)
                gain = (before - distance_to_goal(after.block)) / _price(push, length + 1)
                if gain > best:
                    best, plan = gain, [*push.way, *[push.move] * length, last]
            now = after
        return best, plan


def _price(push: Push, length: int) -> float:
    return len(push.way) + length + _OVERHEAD
