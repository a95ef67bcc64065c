"""Ways to move in the PushT world that know no goal: at random, and from push to push."""

import math
from typing import Protocol

import numpy as np

from envs.pusht.actions import NUMBERS
from envs.pusht.physics import WorldPoses
from policies.pusht.routes import STRAIGHT_AXIS, Move, search, tilted_axis

LONGEST_HOLD = 8  # steps
LONGEST_PUSH = 6
LONGEST_PAUSE = 3
PAUSE_PROBABILITY = 0.06  # at each step; with two steps on average pauses take about a tenth of the time
WAIT: Move = (0.0, 0.0)


class Behaviour(Protocol):
    """Chooses an action from the poses."""

    def act(self, poses: WorldPoses) -> Move:
        """The next action."""
        ...

    def forget(self) -> None:
        """Drops any plan: the world has changed behind its back."""
        ...


class RandomMoves:
    """Random actions, each held for up to `longest` steps."""

    def __init__(self, rng: np.random.Generator, fine: bool, longest: int = 1) -> None:
        """`fine` draws any numbers, else the texts alone."""
        self._rng = rng
        self._fine = fine
        self._longest = longest
        self._move, self._left = WAIT, 0

    def act(self, poses: WorldPoses) -> Move:
        """The next action; the poses are not looked at."""
        if self._left == 0:
            self._move, self._left = random_move(self._rng, self._fine), int(self._rng.integers(1, self._longest + 1))
        self._left -= 1
        return self._move

    def forget(self) -> None:
        """Draws anew."""
        self._left = 0


class Explorer:
    """Walks to a push anywhere around the block, the nearer the likelier, pushes for some steps and picks the next."""

    def __init__(self, rng: np.random.Generator, fine: bool) -> None:
        """`fine` moves at any angle and in steps of any size."""
        self._rng = rng
        self._fine = fine
        self._plan: list[Move] = []

    def act(self, poses: WorldPoses) -> Move:
        """The next action."""
        if not self._plan:
            self._plan = self._make_plan(poses)
        return self._plan.pop(0)

    def forget(self) -> None:
        """Drops the plan."""
        self._plan = []

    def _make_plan(self, poses: WorldPoses) -> list[Move]:
        axis = tilted_axis(self._rng) if self._fine else STRAIGHT_AXIS
        plans = draw_pushes(self._rng, poses, 1, axis)
        return plans[0] if plans else [random_move(self._rng, self._fine)]


class Restless:
    """Another behaviour, with pauses, which change nothing, and slips, which make it forget its plan."""

    def __init__(self, behaviour: Behaviour, rng: np.random.Generator, fine: bool, slips: float) -> None:
        """`slips` is the share of steps that are random ones."""
        self._behaviour = behaviour
        self._rng = rng
        self._fine = fine
        self._slips = slips
        self._pause = 0

    def act(self, poses: WorldPoses) -> Move:
        """The next action."""
        if self._pause == 0 and self._rng.random() < PAUSE_PROBABILITY:
            self._pause = int(self._rng.integers(1, LONGEST_PAUSE + 1))
        if self._pause > 0:
            self._pause -= 1
            return WAIT
        if self._rng.random() < self._slips:
            self._behaviour.forget()
            return random_move(self._rng, self._fine)
        return self._behaviour.act(poses)

    def forget(self) -> None:
        """Drops the plan."""
        self._pause = 0
        self._behaviour.forget()


def draw_pushes(
    rng: np.random.Generator, poses: WorldPoses, num_plans: int, axis: Move = STRAIGHT_AXIS
) -> list[list[Move]]:
    """Ways around the block with a push of some steps at the end, the nearer the likelier; none where none is free."""
    pushes = search(poses, axis).pushes(poses.block)
    if not pushes:
        return []
    weights = np.array([math.exp(-len(push.way) / 2) for push in pushes])
    drawn = [
        (pushes[int(rng.choice(len(pushes), p=weights / weights.sum()))], int(rng.integers(1, LONGEST_PUSH + 1)))
        for _ in range(num_plans)
    ]
    return [[*push.way, *[push.move] * length] for push, length in drawn]


def random_move(rng: np.random.Generator, fine: bool) -> Move:
    """The numbers of any text, or with `fine` any numbers: of these a tenth is none and three tenths are small."""
    if not fine:
        return list(NUMBERS.values())[int(rng.integers(len(NUMBERS)))]
    size = rng.choice([0.0, 0.4, 1.0], p=[0.1, 0.3, 0.6])
    x, y = (size * rng.uniform(-1.0, 1.0, 2)).tolist()
    return x, y
