"""An expert for the MiniGrid twin: it walks to the goal through keys, doors and things in the way.

It plans by price: a route to the goal may lead through obstacles, each at about the steps it takes to remove it. The
route is followed up to its first obstacle, which becomes the next task.
"""

import math

import numpy as np
from minigrid.core.world_object import Box, Door, WorldObj
from minigrid.minigrid_env import MiniGridEnv

from policies.minigrid.routes import Action, Cell, Pose, Routes, free_price, front, search

Way = list[tuple[Pose, Action]]


class Expert:
    """Keeps a short plan and makes a new one whenever that is used up or forgotten."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` breaks ties and gets it out of corners."""
        self._rng = rng
        self._plan: list[Action] = []

    def forget(self) -> None:
        """Drops the plan: the world has changed behind its back."""
        self._plan = []

    def act(self, simulator: MiniGridEnv) -> Action | None:
        """The next action, or None when there is no goal to reach."""
        if not self._plan:
            goals = _find(simulator, "goal")
            if not goals:
                return None
            self._plan = self._reach(simulator, goals[0]) or [Action(int(self._rng.integers(3)))]
        return self._plan.pop(0)

    def _reach(self, simulator: MiniGridEnv, goal: Cell) -> list[Action] | None:
        routes = _priced_routes(simulator)
        pose = routes.standing(goal)
        return None if pose is None else self._follow(simulator, routes.actions_to(pose), set(), frozenset())

    def _fetch(
        self, simulator: MiniGridEnv, color: str, keep_free: set[Cell], sought: frozenset[str]
    ) -> list[Action] | None:
        """Walks up to the cheapest key of a color with empty hands and takes it; `sought` are colors it needs first."""
        sought = sought | {color}
        routes = _priced_routes(simulator, sought)
        poses = [pose for key in _find(simulator, "key", color) if (pose := routes.facing(key)) is not None]
        if not poses:
            return None
        pose = min(poses, key=routes.prices.__getitem__)
        key, way = front(pose), routes.actions_to(pose)
        if _first_obstacle(simulator, way) is not None:  # the key in hand may be for a door on this way
            return self._follow(simulator, way, keep_free | {key}, sought)
        if simulator.carrying is not None:
            return self._put_down(simulator, keep_free | _cells(way) | {key})
        return [*(action for _, action in way), Action.PICK_UP]

    def _follow(
        self, simulator: MiniGridEnv, way: Way, keep_free: set[Cell], sought: frozenset[str]
    ) -> list[Action] | None:
        """The actions of `way` up to its first obstacle and what removes that."""
        index = _first_obstacle(simulator, way)
        actions = [action for _, action in way[:index]]
        if index is None:
            return actions
        keep_free = keep_free | _cells(way)
        cell = front(way[index][0])
        thing = simulator.grid.get(*cell)
        if isinstance(thing, Door) and thing.is_locked and not _unlocks(simulator, thing):
            return self._fetch(simulator, thing.color, keep_free, sought)
        if isinstance(thing, (Door, Box)):
            return [*actions, Action.TOGGLE]
        if simulator.carrying is None:
            return [*actions, Action.PICK_UP]
        return self._put_down(simulator, keep_free)

    def _put_down(self, simulator: MiniGridEnv, keep_free: set[Cell]) -> list[Action] | None:
        """Drops what it carries on the nearest cell that is not needed, or on any."""
        routes = search(simulator, free_price)
        options = [pose for pose in routes.prices if simulator.grid.get(*front(pose)) is None]
        good = [pose for pose in options if front(pose) not in keep_free]
        if good:
            best = min(good, key=routes.prices.__getitem__)
        elif options:
            best = options[int(self._rng.integers(len(options)))]
        else:
            return None
        return [*(action for _, action in routes.actions_to(best)), Action.DROP]


def _priced_routes(simulator: MiniGridEnv, shut: frozenset[str] = frozenset()) -> Routes:
    """Routes through obstacles; the locked doors of the colors `shut` stay shut."""

    def price(thing: WorldObj | None) -> float:
        if thing is None or thing.type == "goal":
            return 1.0
        if isinstance(thing, Door):
            return _door_price(simulator, thing, shut)
        if isinstance(thing, Box):
            return 2.0
        if thing.type in ("key", "ball"):
            return 3.0 if simulator.carrying is None else 8.0
        return math.inf

    return search(simulator, price)


def _door_price(simulator: MiniGridEnv, door: Door, shut: frozenset[str]) -> float:
    if door.is_open:
        return 1.0
    if not door.is_locked or _unlocks(simulator, door):
        return 2.0
    return 25.0 if door.color not in shut and _find(simulator, "key", door.color) else math.inf


def _unlocks(simulator: MiniGridEnv, door: Door) -> bool:
    held = simulator.carrying
    return held is not None and held.type == "key" and held.color == door.color


def _first_obstacle(simulator: MiniGridEnv, way: Way) -> int | None:
    for index, (pose, action) in enumerate(way):
        if action is Action.MOVE_FORWARD:
            thing = simulator.grid.get(*front(pose))
            if thing is not None and not thing.can_overlap():
                return index
    return None


def _cells(way: Way) -> set[Cell]:
    return {cell for pose, _ in way for cell in (pose[:2], front(pose))}


def _find(simulator: MiniGridEnv, kind: str, color: str | None = None) -> list[Cell]:
    """The cells of all things of a kind (and color)."""
    return [
        (index % simulator.width, index // simulator.width)
        for index, thing in enumerate(simulator.grid.grid)
        if thing is not None and thing.type == kind and color in (None, thing.color)
    ]
