"""Behaviours for MyWayHome: seek the vest, or tour the rooms so that the same views come again.

A turn gains speed over its first steps. After a pause it begins slowly again, so a turn to one side, a pause and the
same turn to the other side give the old view exactly.
"""

import math
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any

import numpy as np

from policies.doom.routes import Point, Routes

Walk = Iterator[int]

FULL_TURN = 27  # steps
CLOSE = 20.0  # map units from a target that count as there
NEAR_VEST = 64.0  # map units from the vest where tours do not go
MISSES = 8.0  # degrees off that are left alone: a first turn makes 7


class Action(IntEnum):
    """By the simulator's numbers."""

    LEFT = 0
    RIGHT = 1
    FORWARD = 2
    BACK = 3
    WAIT = 4


def seek_vest(simulator: Any, rng: np.random.Generator) -> Walk:
    """The shortest way to the vest."""
    routes = Routes(simulator.walls(), simulator.pose()[:2])
    while True:
        yield from _walk_to(simulator, routes, _vest(simulator))
        yield from _turn(rng, 4)


def tour(simulator: Any, rng: np.random.Generator) -> Walk:
    """One small errand after another, drawn from `ERRANDS`."""
    guide = Guide(simulator, rng)
    names = list(ERRANDS)
    weights = np.array([ERRANDS[name][0] for name in names])
    while True:
        errand = ERRANDS[names[int(rng.choice(len(names), p=weights / weights.sum()))]][1]
        for action in errand(guide):
            guide.remember()
            yield action


class Guide:
    """What the errands share: the simulator, the routes and the way come.

    Attributes:
        trail: the poses of the player so far.
    """

    def __init__(self, simulator: Any, rng: np.random.Generator) -> None:
        """`rng` draws targets and amounts."""
        self.simulator = simulator
        self.rng = rng
        self.routes = Routes(simulator.walls(), simulator.pose()[:2])
        vest = _vest(simulator)
        self.places = [place for place in self.routes.places if math.dist(place, vest) > NEAR_VEST]
        self.trail: list[tuple[float, float, float]] = []

    def remember(self) -> None:
        """Notes where the player is."""
        self.trail.append(self.simulator.pose())


def _wander(guide: Guide) -> Walk:
    """To some place, or part of the way."""
    place = guide.places[int(guide.rng.integers(len(guide.places)))]
    walk = _walk_to(guide.simulator, guide.routes, place)
    for _, action in zip(range(int(guide.rng.integers(8, 40))), walk, strict=False):
        yield action


def _return(guide: Guide) -> Walk:
    """Back the way it came, to where it was a while ago, and often to the same view."""
    if len(guide.trail) > 8:
        x, y, angle = guide.trail[-int(guide.rng.integers(8, len(guide.trail)))]
        yield from _walk_to(guide.simulator, guide.routes, (x, y))
        if guide.rng.random() < 0.7:
            yield from _face(guide.simulator, angle)


def _retreat(guide: Guide) -> Walk:
    """Some steps backwards, and sometimes forward again."""
    steps = int(guide.rng.integers(2, 12))
    yield from [Action.BACK] * steps
    if guide.rng.random() < 0.5:
        yield from [Action.FORWARD] * steps


def _spin(guide: Guide) -> Walk:
    """Once around, or nearly."""
    yield from _turn(guide.rng, FULL_TURN + int(guide.rng.integers(-6, 6)))


def _glance(guide: Guide) -> Walk:
    """To a side and back."""
    steps = int(guide.rng.integers(1, 9))
    first, second = (Action(int(side)) for side in guide.rng.permutation([Action.LEFT, Action.RIGHT]))
    yield Action.WAIT
    yield from [first] * steps
    yield from [Action.WAIT] * int(guide.rng.integers(1, 3))
    yield from [second] * steps


def _bounce(guide: Guide) -> Walk:
    """Straight on until a wall stops it, then off in another direction."""
    for _ in range(12):
        before = guide.simulator.pose()[:2]
        yield Action.FORWARD
        if math.dist(before, guide.simulator.pose()[:2]) < 2:
            break
    yield from _turn(guide.rng, int(guide.rng.integers(3, 14)))


def _rest(guide: Guide) -> Walk:
    """Nothing for a while."""
    yield from [Action.WAIT] * int(guide.rng.integers(2, 9))


ERRANDS: dict[str, tuple[float, Callable[[Guide], Walk]]] = {
    "wander": (1.0, _wander),
    "return": (1.0, _return),
    "retreat": (1.4, _retreat),
    "spin": (0.5, _spin),
    "glance": (1.0, _glance),
    "bounce": (0.8, _bounce),
    "rest": (1.6, _rest),
}
"""Name -> how often it is drawn, and what it does."""


def _vest(simulator: Any) -> Point:
    x, y = simulator.objects("GreenArmor")[0, :2]
    return float(x), float(y)


def _turn(rng: np.random.Generator, steps: int) -> Walk:
    yield from [(Action.LEFT, Action.RIGHT)[int(rng.integers(2))]] * steps


def _walk_to(simulator: Any, routes: Routes, target: Point) -> Walk:
    """Follows a path to near a target; gives up where it is stuck."""
    path = routes.path(simulator.pose()[:2], target)
    stuck = 0
    while path and stuck < 4:
        x, y, _ = simulator.pose()
        nearest = min(range(len(path)), key=lambda index: math.dist(path[index], (x, y)))
        path = path[nearest:]
        if math.dist(path[-1], (x, y)) < CLOSE:
            break
        goal_x, goal_y = routes.aim((x, y), path)
        yield from _face(simulator, math.degrees(math.atan2(goal_y - y, goal_x - x)))
        yield Action.FORWARD
        stuck = stuck + 1 if math.dist(simulator.pose()[:2], (x, y)) < 1 else 0


def _face(simulator: Any, angle: float) -> Walk:
    """Turns until it looks that way."""
    for _ in range(FULL_TURN):
        off = (angle - simulator.pose()[2] + 180) % 360 - 180
        if abs(off) <= MISSES:
            break
        yield Action.LEFT if off > 0 else Action.RIGHT
