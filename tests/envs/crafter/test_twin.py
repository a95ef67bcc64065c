"""The Crafter twin: Crafter's own dynamics and rewards, lives that repeat, and actions that do what they say."""

import functools
import json
import pickle
import subprocess
import sys
from typing import Any

import crafter
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.crafter.actions import ACTIONS
from envs.crafter.twin import SEEDS, Crafter

TEXT, DISCRETE = "envs:real/Crafter-v0", "envs:real/CrafterDiscrete-v0"


def make(id: str = TEXT, **arguments: Any) -> Any:
    """`gym.make`; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make(id, **arguments)


def draw_texts(seed: int, count: int) -> list[str]:
    """Random canonical texts."""
    return [ACTIONS.names[i] for i in np.random.default_rng(seed).integers(len(ACTIONS.names), size=count)]


@functools.cache
def new_life() -> tuple[Any, Any]:
    """The twin that every `meadow` uses, and its state after a reset."""
    twin = make(start="new").unwrapped
    twin.reset(seed=0)
    return twin, twin.clone_state()


def meadow(front: str = "grass", /, **inventory: int) -> Any:
    """The twin alone on a meadow; it faces down, to the material `front`, and has an inventory."""
    twin, saved = new_life()
    twin.restore_state(saved)
    env = twin.simulator.env
    for thing in env._world.objects[1:]:
        env._world.remove(thing)
    env._world._mat_map[:] = env._world._mat_ids["grass"]
    env._world[32, 33] = front
    env._player.inventory.update(inventory)
    return twin


def player(twin: Any) -> Any:
    return twin.simulator.env._player


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(make(id, render_mode="rgb_array").unwrapped)


def test_dynamics_are_crafters() -> None:
    assert Crafter().env.step.__func__ is crafter.Env.step


def test_new_life_begins_as_crafter_begins_it() -> None:
    twin = make(start="new").unwrapped
    twin.reset(seed=0)
    state = twin.state()
    assert state["inventory"] == {"health": 9, "food": 9, "drink": 9, "energy": 9}
    assert (state["player"], state["dark"], tuple(player(twin).pos)) == ("down", False, (32, 32))


def test_lives_under_way_begin_at_night_too_and_with_tools() -> None:
    twin = make(start="midway").unwrapped
    states = [(twin.reset(seed=seed), twin.state())[1] for seed in range(5)]
    assert {state["dark"] for state in states} == {True, False}
    assert any("stone_pickaxe" in state["inventory"] for state in states)


def test_what_a_life_under_way_has_earns_no_reward_again() -> None:
    twin = make(start="midway").unwrapped
    seed = next(seed for seed in range(20) if twin.reset(seed=seed) and player(twin).inventory["wood"] in range(1, 9))
    twin.reset(seed=seed)
    cell = tuple(player(twin).pos + np.array(player(twin).facing))
    twin.simulator.env._world[cell] = "tree"
    assert twin.step("chop wood")[1] <= 0


def test_both_starts_come_when_none_is_asked_for() -> None:
    twin = make().unwrapped
    assert {twin.reset(seed=seed)[1]["start"] for seed in range(4)} == {"new", "midway"}


def test_splits_share_no_world() -> None:
    assert SEEDS["train"][1] <= SEEDS["test"][0]
    for split, (low, high) in SEEDS.items():
        assert low <= int(make(split=split).reset(seed=0)[1]["world_seed"]) < high


def test_unknown_start_is_refused() -> None:
    with pytest.raises(ValueError, match="start must be one of None, 'new', 'midway', got 'late'; pick one"):
        make(start="late")


def test_same_seed_and_texts_give_the_same_episode() -> None:
    episodes = []
    for _ in range(2):
        env = make(start="new")
        frames = [env.reset(seed=7)[0]]
        frames += [env.step(text)[0] for text in draw_texts(5, 60)]
        episodes.append(np.stack(frames))
    np.testing.assert_array_equal(episodes[0], episodes[1])


def test_restored_state_replays_frames_and_rewards() -> None:
    twin = make(start="new").unwrapped
    twin.reset(seed=7)
    twin.simulator.env._step = 200  # night: the noise comes from the world's generator
    saved = twin.clone_state()
    runs = []
    for _ in range(2):
        twin.restore_state(saved)
        runs.append([(frame.tobytes(), reward) for frame, reward, *_ in map(twin.step, draw_texts(8, 20))])
    assert runs[0] == runs[1]


def test_clone_is_not_changed_by_what_follows() -> None:
    twin = meadow()
    saved = twin.clone_state()
    twin.step("move down")
    twin.restore_state(saved)
    assert tuple(player(twin).pos) == (32, 32)


def test_pickled_twin_goes_on_alike() -> None:
    twin = make(start="midway").unwrapped
    twin.reset(seed=2)
    again = pickle.loads(pickle.dumps(twin))
    np.testing.assert_array_equal(twin.step("move left")[0], again.step("move left")[0])


def test_frame_stays_the_same_until_the_next_step() -> None:
    twin = make(render_mode="rgb_array").unwrapped
    twin.reset(seed=0)
    twin.simulator.env._step = 210
    night = twin.step("wait")[0][0]
    np.testing.assert_array_equal(twin.render(), night)
    np.testing.assert_array_equal(twin.render(), night)


@pytest.mark.parametrize(
    ("text", "offset"),
    [("move left", (-1, 0)), ("move right", (1, 0)), ("move up", (0, -1)), ("move down", (0, 1))],
)
def test_move_walks_one_cell(text: str, offset: tuple[int, int]) -> None:
    twin = meadow()
    twin.step(text)
    assert tuple(player(twin).pos - 32) == offset == player(twin).facing
    assert twin.state()["player"] == text.removeprefix("move ")


def test_move_into_a_thing_turns_only() -> None:
    twin = meadow()
    twin.simulator.env._world[31, 32] = "tree"
    twin.step("go left")
    assert (tuple(player(twin).pos), twin.state()["player"]) == ((32, 32), "left")


def test_wait_leaves_player_and_inventory() -> None:
    twin = meadow()
    before = twin.state()
    twin.step("")
    assert twin.state() == before


@pytest.mark.parametrize(
    ("material", "item", "tool"),
    [
        ("tree", "wood", None),
        ("stone", "stone", "wood_pickaxe"),
        ("coal", "coal", "wood_pickaxe"),
        ("iron", "iron", "stone_pickaxe"),
        ("diamond", "diamond", "iron_pickaxe"),
    ],
)
def test_interact_collects_with_the_right_tool(material: str, item: str, tool: str | None) -> None:
    twin = meadow(material, **({tool: 1} if tool else {}))
    reward = twin.step("interact")[1]
    assert (twin.state()["inventory"][item], reward) == (1, 1.0)
    if tool:
        without = meadow(material)
        without.step("interact")
        assert item not in without.state()["inventory"]


def test_interact_drinks() -> None:
    twin = meadow("water", drink=3)
    twin.step("have a drink please")
    assert twin.state()["inventory"]["drink"] == 4


def test_interact_kills_and_eats_a_cow() -> None:
    twin = meadow(food=2, iron_sword=1)
    world = twin.simulator.env._world
    world.add(crafter.objects.Cow(world, (32, 33)))
    twin.step("eat the cow")
    assert twin.state()["inventory"]["food"] == 8


def test_sleep_closes_the_eyes_of_who_is_tired() -> None:
    states = []
    for energy in (5, 9):
        twin = meadow(energy=energy)
        twin.step("sleep")
        states.append(twin.state()["player"])
    assert states == ["asleep", "down"]


@pytest.mark.parametrize(
    ("text", "thing", "needs"),
    [
        ("place stone", "stone", {"stone": 1}),
        ("place table", "table", {"wood": 9}),
        ("place furnace", "furnace", {"stone": 9}),
    ],
)
def test_place_puts_a_material_in_front(text: str, thing: str, needs: dict[str, int]) -> None:
    twin = meadow(**needs)
    twin.step(text)
    item, had = next(iter(needs.items()))
    used = crafter.constants.place[thing]["uses"][item]
    assert twin.simulator.env._world[32, 33][0] == thing
    assert player(twin).inventory[item] == had - used


def test_plant_sapling_plants_it_in_front() -> None:
    twin = meadow(sapling=1)
    twin.step("plant sapling")
    assert twin.state()["creatures"] == {"4,4": "plant"}
    assert "sapling" not in twin.state()["inventory"]


@pytest.mark.parametrize("kind", ["wood", "stone", "iron"])
@pytest.mark.parametrize("tool", ["pickaxe", "sword"])
def test_make_makes_a_tool_near_its_table(kind: str, tool: str) -> None:
    materials = {"wood": 5, "stone": 5, "coal": 5, "iron": 5}
    twin = meadow("table", **materials)
    twin.simulator.env._world[33, 32] = "furnace"
    twin.step(f"make {kind} {tool}")
    assert twin.state()["inventory"][f"{kind}_{tool}"] == 1
    far = meadow(**materials)
    far.step(f"make {kind} {tool}")
    assert f"{kind}_{tool}" not in far.state()["inventory"]


def test_lava_kills_and_ends_the_episode() -> None:
    twin = meadow("lava")
    _, reward, terminated, truncated, _ = twin.step("move down")
    assert (round(reward, 6), terminated, truncated) == (-0.9, True, False)
    with pytest.raises(gym.error.ResetNeeded, match="after the episode terminated"):
        twin.step("wait")


def test_episode_is_truncated_after_1000_steps() -> None:
    assert gym.spec("real/Crafter-v0").max_episode_steps == 1000


def test_discrete_actions_are_the_texts_in_order() -> None:
    text, discrete = make(TEXT, start="new"), make(DISCRETE, start="new")
    text.reset(seed=3), discrete.reset(seed=3)
    for name in ("move left", "move left", "interact", "move up"):
        expected = text.step(name)[0][-1]
        np.testing.assert_array_equal(expected, discrete.step(ACTIONS.names.index(name))[0])


def test_state_is_plain_json() -> None:
    state = meadow(wood=3).state()
    assert json.loads(json.dumps(state)) == state


def test_is_valid_wants_one_player_in_the_middle() -> None:
    twin = meadow()
    state = twin.state()
    changes: list[dict[str, Any]] = [{}, {"num_players": 2}, {"player": None}]
    assert [twin.is_valid(state, state | change) for change in changes] == [True, False, False]


def test_bad_action_leaves_the_env_usable() -> None:
    twin = meadow()
    with pytest.raises(ValueError, match="action must be a string, got 3"):
        twin.step(3)
    assert not twin.step("wait")[2]


def test_missing_crafter_says_what_to_install() -> None:
    hide = "import sys; sys.modules['crafter'] = None; import gymnasium; "
    code = hide + "gymnasium.make('envs:real/Crafter-v0')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'run `pip install "wm-gym[crafter]"`' in run.stderr
