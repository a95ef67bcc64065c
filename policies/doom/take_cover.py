"""Behaviours for TakeCover: dodge what flies, or walk up and down the hall without looking."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TICKS = 4
THRUST, FRICTION = 0.75, 0.90625  # of Doom's walking player, in map units a tick
HORIZON = 64  # ticks
LONGEST_MOVE = 8  # steps of a plan
REACH = 30.0  # a fireball that flies by this close along the hall may hit
BERTH = 48.0  # how far to the side of a fireball is far enough
MARGIN = 40.0  # the sides of the hall leave no way out


class Action(IntEnum):
    """By the simulator's numbers."""

    LEFT = 0
    RIGHT = 1
    WAIT = 2


def dodge(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
    """Chooses the plan that keeps away from all fireballs, and follows its first step."""
    paths = _paths()
    speed, before = 0.0, simulator.pose()[1]
    while True:
        x, y, _ = simulator.pose()
        speed, before = (y - before) / TICKS, y
        costs = _costs(_moved(paths, y, speed), x, simulator.objects("DoomImpBall"))
        yield PLANS[int(np.argmin(costs + EFFORT))][0]


def sweep(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
    """Walks to one random place after another, and rests there."""
    while True:
        target = rng.uniform(0, 768)
        for _ in range(30):
            offset = target - simulator.pose()[1]
            if abs(offset) < 30:
                break
            yield Action.LEFT if offset > 0 else Action.RIGHT
        yield from [Action.WAIT] * int(rng.integers(1, 7))


PLANS = [(Action.WAIT, 1)] + [(side, n) for side in (Action.LEFT, Action.RIGHT) for n in range(1, LONGEST_MOVE + 1)]
"""Press a button for a number of steps, then wait."""

EFFORT = np.array([0.0 if side == Action.WAIT else 0.02 + 0.002 * n for side, n in PLANS])


def _paths() -> Array:
    """How far to the left each plan leads from rest, (plan, tick)."""
    signs = {Action.LEFT: 1.0, Action.RIGHT: -1.0, Action.WAIT: 0.0}
    pushes = np.zeros((len(PLANS), HORIZON))
    for row, (side, steps) in zip(pushes, PLANS, strict=True):
        row[: steps * TICKS] = signs[side] * THRUST
    speeds = np.zeros((len(PLANS), HORIZON + 1))
    for tick in range(HORIZON):
        speeds[:, tick + 1] = speeds[:, tick] * FRICTION + pushes[:, tick]
    return np.cumsum(speeds[:, 1:], axis=1)


def _moved(paths: Array, position: float, speed: float) -> Array:
    """Positions, (plan, tick), of a player who already moves."""
    coasting = speed * np.cumsum(FRICTION ** np.arange(1, HORIZON + 1))
    return np.clip(position + coasting + paths, 16.0, 752.0)


def _costs(positions: Array, x: float, fireballs: Array) -> Array:
    """How close fireballs come in each plan, the nearer in time the worse."""
    ticks = np.arange(1, HORIZON + 1)
    costs = 0.3 * np.maximum(0.0, MARGIN - np.minimum(positions[:, -1], 768.0 - positions[:, -1])) / MARGIN
    for ball_x, ball_y, speed_x, speed_y in fireballs:
        near = np.abs(ball_x + speed_x * ticks - x) < REACH
        offsets = np.abs(ball_y + speed_y * ticks - positions)
        costs += (np.maximum(0.0, 1 - offsets / BERTH) * near * 0.97**ticks).sum(1)
    return costs
