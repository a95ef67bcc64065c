"""What surrounds Crafter's player, what its actions would do there, and the ways to what it wants."""

import heapq
import math
from collections.abc import Iterator
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from crafter import constants, objects

Cell = tuple[int, int]
Mask = npt.NDArray[np.bool_]

CREATURES = {"cow": objects.Cow, "zombie": objects.Zombie, "skeleton": objects.Skeleton, "plant": objects.Plant}


class Action(IntEnum):
    """Crafter's actions, in its order."""

    WAIT = 0
    MOVE_LEFT = 1
    MOVE_RIGHT = 2
    MOVE_UP = 3
    MOVE_DOWN = 4
    INTERACT = 5
    SLEEP = 6
    PLACE_STONE = 7
    PLACE_TABLE = 8
    PLACE_FURNACE = 9
    PLANT_SAPLING = 10
    MAKE_WOOD_PICKAXE = 11
    MAKE_STONE_PICKAXE = 12
    MAKE_IRON_PICKAXE = 13
    MAKE_WOOD_SWORD = 14
    MAKE_STONE_SWORD = 15
    MAKE_IRON_SWORD = 16


MOVES = {
    Action.MOVE_LEFT: (-1, 0),
    Action.MOVE_RIGHT: (1, 0),
    Action.MOVE_UP: (0, -1),
    Action.MOVE_DOWN: (0, 1),
}
PLACES = {
    Action.PLACE_STONE: "stone",
    Action.PLACE_TABLE: "table",
    Action.PLACE_FURNACE: "furnace",
    Action.PLANT_SAPLING: "plant",
}
MAKES = {action: constants.actions[action].removeprefix("make_") for action in Action if action > Action.PLANT_SAPLING}


class Scene:
    """One moment of a game of `crafter.Env`; the game is only read.

    Attributes:
        world: its `crafter.engine.World`.
        player: its `crafter.objects.Player`.
        inventory: item -> how many.
        cell: where the player stands.
    """

    def __init__(self, env: Any) -> None:
        """`env` is a `crafter.Env` after a reset."""
        self.world = env._world
        self.player = env._player
        self.inventory: dict[str, int] = env._player.inventory
        self.cell: Cell = (int(self.player.pos[0]), int(self.player.pos[1]))

    @property
    def front(self) -> Cell:
        """The cell that the player looks at; it may lie outside the world."""
        return moved(self.cell, self.player.facing)

    def material(self, cell: Cell) -> str | None:
        """The material of a cell, None outside the world."""
        material: str | None = self.world[cell][0]
        return material

    def thing(self, cell: Cell) -> Any:
        """The object on a cell, or None."""
        return self.world[cell][1]

    def is_free(self, cell: Cell) -> bool:
        """Whether the player can enter a cell and live."""
        return self.thing(cell) is None and self.material(cell) in constants.walkable

    def is_near(self, material: str, cell: Cell | None = None) -> bool:
        """Whether a material is near enough to a cell (the player's) to work with."""
        return material in self.world.nearby(cell or self.cell, 1)[0]

    def leads_into_lava(self, move: Action) -> bool:
        """Whether a move ends the player's life."""
        cell = moved(self.cell, MOVES[move])
        return bool(self.material(cell) == "lava" and self.thing(cell) is None)

    def has(self, needs: dict[str, int]) -> bool:
        """Whether the inventory holds that much."""
        return all(self.inventory[item] >= amount for item, amount in needs.items())

    def can_collect(self, cell: Cell) -> bool:
        """Whether there is a material that the player can take with its tools."""
        info = constants.collect.get(self.material(cell))
        return bool(info) and self.thing(cell) is None and self.has(info["require"])

    def can_place(self, name: str, cell: Cell) -> bool:
        """Whether a cell takes a thing; whether the player has one does not matter."""
        return self.thing(cell) is None and self.material(cell) in constants.place[name]["where"]

    def has_effect(self, action: Action) -> bool:
        """Whether an action would do something now that shows, but for luck."""
        if self.player.sleeping or action is Action.WAIT:
            return False
        if action in MOVES:
            return MOVES[action] != tuple(self.player.facing) or self.is_free(self.front)
        if action is Action.INTERACT:
            thing = self.thing(self.front)
            ready = thing.ripe if isinstance(thing, objects.Plant) else isinstance(thing, tuple(CREATURES.values()))
            return ready or self.can_collect(self.front)
        if action is Action.SLEEP:
            return bool(self.inventory["energy"] < constants.items["energy"]["max"])
        if action in PLACES:
            name = PLACES[action]
            return self.has(constants.place[name]["uses"]) and self.can_place(name, self.front)
        info = constants.make[MAKES[action]]
        return self.has(info["uses"]) and all(self.is_near(material) for material in info["nearby"])

    def where(self, kind: str) -> Mask:
        """The cells of a material or of a kind of creature; of plants the ripe ones."""
        if kind not in CREATURES:
            return np.asarray((self.world._mat_map == self.world._mat_ids[kind]) & (self.world._obj_map == 0))
        mask = np.zeros(self.world.area, bool)
        for thing in self.world.objects:
            if isinstance(thing, CREATURES[kind]) and (kind != "plant" or thing.ripe):
                mask[tuple(thing.pos)] = True
        return mask

    def beside(self, kind: str) -> Action | None:
        """The move towards a creature of a kind on one of the four cells next to the player."""
        for action, step in MOVES.items():
            if isinstance(self.thing(moved(self.cell, step)), CREATURES[kind]):
                return action
        return None

    def face(self, move: Action, deed: Action) -> Action:
        """`deed` if the player looks that way already, else the move that turns it to what blocks that way."""
        return deed if tuple(self.player.facing) == MOVES[move] else move

    def approach(self, wanted: Mask, deed: Action, limit: float = math.inf) -> Action | None:
        """The next action on the cheapest way up to a wanted cell, and `deed` in front of it.

        The way leads through rock where the player has the tool to dig.

        Args:
            wanted: the cells, which need not be free.
            deed: what to do when the player looks at one.
            limit: the most steps it may take.

        Returns:
            The action, or None where no wanted cell is in reach.
        """
        way = self._way(wanted, limit)
        if way is None:
            return None
        move = next(action for action, step in MOVES.items() if moved(self.cell, step) == way[0])
        if len(way) == 1:
            return self.face(move, deed)
        return move if self.is_free(way[0]) else self.face(move, Action.INTERACT)

    def _way(self, wanted: Mask, limit: float) -> list[Cell] | None:
        """The cells from the player's, left out, to a wanted one."""
        if not wanted.any():
            return None
        prices = self._prices
        reached: dict[Cell, float] = {self.cell: 0.0}
        parents: dict[Cell, Cell] = {}
        heap = [(0.0, self.cell)]
        while heap:
            price, cell = heapq.heappop(heap)
            if price > reached[cell]:
                continue
            for target in self._neighbours(cell):
                if wanted[target]:
                    return self._trace(parents, cell, target)
                cost = price + prices[target[0]][target[1]]
                if cost < reached.get(target, limit):
                    reached[target] = cost
                    parents[target] = cell
                    heapq.heappush(heap, (cost, target))
        return None

    def _trace(self, parents: dict[Cell, Cell], cell: Cell, target: Cell) -> list[Cell]:
        way = [target]
        while cell != self.cell:
            way.append(cell)
            cell = parents[cell]
        return way[::-1]

    def _neighbours(self, cell: Cell) -> Iterator[Cell]:
        for step in MOVES.values():
            x, y = moved(cell, step)
            if 0 <= x < self.world.area[0] and 0 <= y < self.world.area[1]:
                yield x, y

    @cached_property
    def _prices(self) -> list[list[float]]:
        """What it costs to enter each cell: 1 where it is free, 3 where it takes digging, else infinity."""
        by_material = np.full(len(self.world._mat_ids) + 1, math.inf)
        for name, info in constants.collect.items():
            if info["leaves"] in constants.walkable and name not in constants.walkable and self.has(info["require"]):
                by_material[self.world._mat_ids[name]] = 3.0
        for name in constants.walkable:
            by_material[self.world._mat_ids[name]] = 1.0
        prices = by_material[self.world._mat_map]
        prices[self.world._obj_map != 0] = math.inf
        table: list[list[float]] = prices.tolist()
        return table


def moved(cell: Cell, step: Any) -> Cell:
    """The cell a step away."""
    return cell[0] + int(step[0]), cell[1] + int(step[1])
