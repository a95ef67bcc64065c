"""The scene: ways to things, and what an action would do, held against the game itself."""

import functools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from policies.crafter.scene import MOVES, Action, Scene


@functools.cache
def new_life() -> tuple[Any, Any]:
    """A twin and its state after a reset."""
    twin: Any = gym.make("envs:real/Crafter-v0", start="new").unwrapped
    twin.reset(seed=0)
    return twin, twin.clone_state()


@pytest.fixture
def twin() -> Any:
    """A twin alone on a meadow that faces down."""
    twin, saved = new_life()
    twin.restore_state(saved)
    world = twin.simulator.env._world
    for thing in world.objects[1:]:
        world.remove(thing)
    world._mat_map[:] = world._mat_ids["grass"]
    return twin


def follow(twin: Any, kind: str, limit: int) -> list[Action]:
    """The actions up to the first blow at a thing of a kind."""
    actions: list[Action] = []
    while Action.INTERACT not in actions and len(actions) < limit:
        scene = Scene(twin.simulator.env)
        action = scene.approach(scene.where(kind), Action.INTERACT)
        assert action is not None
        actions.append(action)
        twin.step(twin.get_action_meanings()[action])
    return actions


def test_approach_walks_up_to_a_thing_and_faces_it(twin: Any) -> None:
    twin.simulator.env._world[35, 32] = "tree"
    assert follow(twin, "tree", 10) == [Action.MOVE_RIGHT] * 2 + [Action.INTERACT]
    assert twin.state()["inventory"]["wood"] == 1


def test_approach_goes_around_lava(twin: Any) -> None:
    world = twin.simulator.env._world
    world[34, 32] = "lava"
    world[36, 32] = "tree"
    follow(twin, "tree", 20)
    assert twin.state()["inventory"]["wood"] == 1


def test_approach_digs_where_it_has_the_tool(twin: Any) -> None:
    world = twin.simulator.env._world
    world._mat_map[33:35, :] = world._mat_ids["stone"]
    world[36, 32] = "tree"
    scene = Scene(twin.simulator.env)
    assert scene.approach(scene.where("tree"), Action.INTERACT) is None
    scene.inventory["wood_pickaxe"] = 1
    assert Scene(twin.simulator.env).approach(scene.where("tree"), Action.INTERACT) is Action.MOVE_RIGHT


def test_approach_knows_its_limit(twin: Any) -> None:
    twin.simulator.env._world[45, 32] = "tree"
    scene = Scene(twin.simulator.env)
    assert scene.approach(scene.where("tree"), Action.INTERACT, limit=8) is None


def test_lava_ahead_is_told(twin: Any) -> None:
    twin.simulator.env._world[31, 32] = "lava"
    scene = Scene(twin.simulator.env)
    assert [move for move in MOVES if scene.leads_into_lava(move)] == [Action.MOVE_LEFT]


def test_has_effect_is_what_the_game_does() -> None:
    twin: Any = gym.make("envs:real/Crafter-v0", start="midway").unwrapped
    checked = 0
    for seed in range(4):
        twin.reset(seed=seed)
        saved = twin.clone_state()
        for action in Action:
            if action is Action.INTERACT:  # depends on luck and on what has been hit before
                continue
            twin.restore_state(saved)
            scene = Scene(twin.simulator.env)
            expected = scene.has_effect(action)
            before = traces(scene)
            scene.player.action = twin.simulator.env.action_names[action]
            scene.player.update()
            assert (traces(Scene(twin.simulator.env)) != before) == expected, (seed, action)
            checked += expected
    assert checked > 12


def traces(scene: Scene) -> tuple[Any, ...]:
    """What an action of the player can change, vital signs aside."""
    kept = {item: n for item, n in scene.inventory.items() if item not in ("health", "food", "drink", "energy")}
    near = np.array(scene.world._mat_map), len(scene.world.objects)
    return scene.cell, tuple(scene.player.facing), scene.player.sleeping, kept, near[0].tobytes(), near[1]
