"""An expert for the Crafter twin: it climbs Crafter's tree of achievements and looks after itself.

It works backwards from the next achievement: a tool needs materials and a table, materials need tools. What that takes
is read off Crafter's own rules. Whatever is out of reach is left out.
"""

from collections.abc import Callable

import numpy as np
from crafter import constants

from policies.crafter.scene import MAKES, MOVES, PLACES, Action, Scene, moved

ORDER = (
    "collect_wood",
    "place_table",
    "make_wood_pickaxe",
    "make_wood_sword",
    "collect_sapling",
    "place_plant",
    "collect_stone",
    "place_stone",
    "make_stone_pickaxe",
    "make_stone_sword",
    "collect_coal",
    "place_furnace",
    "collect_drink",
    "eat_cow",
    "collect_iron",
    "make_iron_pickaxe",
    "make_iron_sword",
    "collect_diamond",
    "wake_up",
    "defeat_zombie",
    "defeat_skeleton",
    "eat_plant",
)
"""Crafter's achievements in the order in which they are tried."""

URGENT, ENOUGH = 3, 8  # when to see to food, drink or energy, and when to stop
TABLE_REACH = 20.0  # steps beyond which a new table is cheaper


class Expert:
    """Remembers which need it is seeing to."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` moves it when there is nothing to do, and out of corners."""
        self._rng = rng
        self._need: str | None = None

    def act(self, scene: Scene) -> Action:
        """The next action."""
        if scene.player.sleeping:
            return Action.SLEEP
        action = self.fight(scene) or self._survive(scene)
        for name in ORDER:
            if action is not None:
                break
            if not scene.player.achievements[name]:
                action = self.achieve(scene, name)
        return action if action is not None else self._wander(scene)

    def fight(self, scene: Scene) -> Action | None:
        """Turns to a monster on the next cell and strikes it, if there is one."""
        for kind in ("zombie", "skeleton"):
            move = scene.beside(kind)
            if move is not None:
                return scene.face(move, Action.INTERACT)
        return None

    def _survive(self, scene: Scene) -> Action | None:
        """Sees to what is short until there is enough."""
        vitals = {need: scene.inventory[need] for need in ("drink", "food", "energy")}
        if self._need is not None and vitals[self._need] >= ENOUGH:
            self._need = None
        if self._need is None:
            need = min(vitals, key=vitals.__getitem__)
            self._need = need if vitals[need] <= URGENT else None
        ways: dict[str | None, Callable[[Scene], Action | None]] = {
            "drink": lambda scene: self._use(scene, "water"),
            "food": lambda scene: self._use(scene, "plant") or self._use(scene, "cow"),
            "energy": self._sleep,
        }
        return ways[self._need](scene) if self._need is not None else None

    def achieve(self, scene: Scene, name: str) -> Action | None:
        """The next action towards an achievement, or None where it is out of reach."""
        verb, thing = name.split("_", 1)
        if verb == "collect":
            return self._use(scene, "water") if thing == "drink" else self._obtain(scene, thing)
        if verb == "make":
            return self._make(scene, thing)
        if verb == "place":
            return self._place(scene, thing)
        if verb == "wake":
            return self._sleep(scene)
        return self._use(scene, thing)  # eat or defeat it

    def _use(self, scene: Scene, kind: str) -> Action | None:
        return scene.approach(scene.where(kind), Action.INTERACT)

    def _sleep(self, scene: Scene) -> Action | None:
        """Sleeps where it is tired and no zombie is near."""
        zombies = np.argwhere(scene.where("zombie"))
        safe = not len(zombies) or np.abs(zombies - scene.cell).sum(1).min() > 6
        return Action.SLEEP if safe and scene.has_effect(Action.SLEEP) else None

    def _obtain(self, scene: Scene, item: str) -> Action | None:
        """Gets one more of an item."""
        if item in constants.make:
            return self._make(scene, item)
        source, info = next((name, info) for name, info in constants.collect.items() if item in info["receive"])
        for tool in info["require"]:
            if not scene.inventory[tool]:
                return self._make(scene, tool)
        if source in constants.walkable:  # walking up to it would walk onto it
            found = scene.material(scene.front) == source and scene.thing(scene.front) is None
            return Action.INTERACT if found else self._wander(scene)
        return self._use(scene, source)

    def _make(self, scene: Scene, tool: str) -> Action | None:
        info = constants.make[tool]
        for item, amount in info["uses"].items():
            if scene.inventory[item] < amount:
                return self._obtain(scene, item)
        for index, utility in enumerate(info["nearby"]):
            if not scene.is_near(utility):
                near = scene.approach(scene.where(utility), Action.WAIT, TABLE_REACH)
                return near if near is not None else self._place(scene, utility, keep=info["nearby"][:index])
        return next(action for action, name in MAKES.items() if name == tool)

    def _place(self, scene: Scene, name: str, keep: list[str] | None = None) -> Action | None:
        """Places a thing, and stays near the materials `keep` for it."""
        for item, amount in constants.place[name]["uses"].items():
            if scene.inventory[item] < amount:
                return self._obtain(scene, item)
        if scene.can_place(name, scene.front):
            return next(action for action, thing in PLACES.items() if thing == name)
        for move, step in MOVES.items():
            cell = moved(scene.cell, step)
            stays = all(scene.is_near(material, cell) for material in keep or ())
            if scene.is_free(cell) and stays and scene.can_place(name, moved(cell, step)):
                return move
        for move, step in MOVES.items():
            cell = moved(scene.cell, step)
            if scene.can_collect(cell) and not scene.is_free(cell):
                return scene.face(move, Action.INTERACT)
        return self._wander(scene)

    def _wander(self, scene: Scene) -> Action:
        """Goes on straight where it can, or turns where it can go."""
        free = [move for move, step in MOVES.items() if scene.is_free(moved(scene.cell, step))]
        ahead = next((move for move in free if MOVES[move] == tuple(scene.player.facing)), None)
        if ahead is not None and self._rng.random() < 0.9:
            return ahead
        return free[int(self._rng.integers(len(free)))] if free else Action.WAIT
