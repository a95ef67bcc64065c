"""Begins lives in Crafter: new ones as Crafter does, and ones that are under way.

A life under way begins anywhere in the world, at any hour, hungry or hurt, with what a player of some age carries and
maybe at its camp. So nights, tools and furnaces come within reach of short episodes. What such a player must have done
before earns it no reward again.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from crafter import constants

NEW, MIDWAY = "new", "midway"
STARTS = (NEW, MIDWAY)

DAY_STEPS = 300
AGES = ("wood", "stone", "iron")  # of tools
AGE_SHARES = (0.15, 0.2, 0.3, 0.35)  # how often a life under way has reached none, the first, ...
GROUNDS = {"grass": 0.5, "path": 0.35, "sand": 0.15}  # how often a life under way begins on each
HAVE_SHARE = 0.8  # how likely a player has a thing that its age can have
CAMP_SHARE = 0.7  # how likely its table and its furnace stand near


def begin_midway(env: Any, rng: np.random.Generator) -> None:
    """Turns a new life of a `crafter.Env` into one that is under way."""
    player = env._player
    env._step = int(rng.integers(DAY_STEPS))
    env._update_time()
    _move(env._world, player, rng)
    age = int(rng.choice(len(AGE_SHARES), p=AGE_SHARES))
    if env._world[player.pos][0] == "path":
        age = max(age, 1)  # who stands in the rock has dug there
    _fill(player.inventory, age, rng)
    if age and rng.random() < CAMP_SHARE:
        _pitch_camp(env._world, player, ("table", "furnace")[: 1 + (age > 1)], rng)
    for need, low in (("health", 5), ("food", 3), ("drink", 3), ("energy", 3)):
        player.inventory[need] = int(rng.integers(low, 10))
    player._hunger, player._thirst, player._fatigue = (int(rng.integers(steps)) for steps in (25, 20, 30))
    env._last_health = player._last_health = player.health
    for name in _done(player.inventory):
        player.achievements[name] = 1
        env._unlocked.add(name)


def _move(world: Any, player: Any, rng: np.random.Generator) -> None:
    """Puts the player on a free cell."""
    grounds = list(GROUNDS)
    ground = grounds[int(rng.choice(len(grounds), p=list(GROUNDS.values())))]
    free = world._obj_map == 0
    cells = np.argwhere(free & (world._mat_map == world._mat_ids[ground]))
    if len(cells):
        world.move(player, cells[int(rng.integers(len(cells)))])
    player.facing = player.all_dirs[int(rng.integers(4))]


def _fill(inventory: dict[str, int], age: int, rng: np.random.Generator) -> None:
    """Hands out tools of the ages up to `age` and the materials that they give."""
    for tier in AGES[:age]:
        for tool in ("pickaxe", "sword"):
            inventory[f"{tier}_{tool}"] = int(rng.random() < HAVE_SHARE)
        if rng.random() < HAVE_SHARE:
            inventory[f"{tier}_pickaxe"] = 1
    for item, tools in _collected().items():
        if all(inventory[tool] for tool in tools) and rng.random() < HAVE_SHARE:
            inventory[item] = int(rng.integers(1, 10))


def _pitch_camp(world: Any, player: Any, things: tuple[str, ...], rng: np.random.Generator) -> None:
    """Puts a table and a furnace on cells within two of the player."""
    for thing in things:
        cells = [tuple(player.pos + offset) for offset in np.argwhere(np.ones((5, 5))) - 2]
        cells = [cell for cell in cells if player.is_free(cell, constants.place[thing]["where"])]
        if cells:
            world[cells[int(rng.integers(len(cells)))]] = thing


def _collected() -> dict[str, Mapping[str, int]]:
    """What can be collected and kept -> the tools that it takes."""
    kept = {item: info["require"] for info in constants.collect.values() for item in info["receive"]}
    return {item: tools for item, tools in kept.items() if item != "drink"}


def _done(inventory: Mapping[str, int]) -> set[str]:
    """The achievements without which nobody has this inventory."""
    had = {item for item, amount in inventory.items() if amount > 0}
    tools = {item for item in had if item in constants.make}
    done = {f"make_{tool}" for tool in tools} | {f"collect_{item}" for item in had - tools if item in _collected()}
    if tools:
        done |= {"collect_wood", "place_table"}
    if any("furnace" in constants.make[tool]["nearby"] for tool in tools):
        done.add("place_furnace")
    return done
