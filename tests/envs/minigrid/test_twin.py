"""The MiniGrid twin: Gymnasium's rules, MiniGrid's own dynamics and pixels, and errors that say what to do."""

import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from minigrid.minigrid_env import MiniGridEnv

from envs.minigrid.actions import ACTIONS
from envs.minigrid.layouts import GENERATORS
from envs.minigrid.twin import GridEnv, MiniGridTwin

TEXT, DISCRETE = "envs:real/MiniGrid-v0", "envs:real/MiniGridDiscrete-v0"


def make(id: str, **arguments: Any) -> Any:
    """`gym.make`; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make(id, **arguments)


def draw_texts(seed: int, count: int) -> list[str]:
    """Random canonical texts."""
    return [ACTIONS.names[i] for i in np.random.default_rng(seed).integers(len(ACTIONS.names), size=count)]


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_check_env_passes_without_warnings(id: str) -> None:
    check_env(make(id, render_mode="rgb_array").unwrapped)


def test_text_observation_is_a_chunk_of_one_frame() -> None:
    env = make(TEXT)
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape == (1, 64, 64, 3)


def test_discrete_observation_is_the_text_twins_last_frame() -> None:
    text, discrete = make(TEXT), make(DISCRETE)
    np.testing.assert_array_equal(text.reset(seed=3)[0][-1], discrete.reset(seed=3)[0])


def test_discrete_actions_are_the_texts_in_order() -> None:
    text, discrete = make(TEXT, layout="objects"), make(DISCRETE, layout="objects")
    text.reset(seed=3), discrete.reset(seed=3)
    names = list(text.unwrapped.action_phrases)
    for name in draw_texts(0, 50):
        expected, *_, over = text.step(name)[:3]
        np.testing.assert_array_equal(expected[-1], discrete.step(names.index(name))[0])
        if over:
            break


def test_render_shows_the_last_frame() -> None:
    env = make(TEXT, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), observation[-1])


@pytest.mark.parametrize("layout", list(GENERATORS))
def test_frame_is_minigrids_own_render_but_for_the_inventory(layout: str) -> None:
    env = make(TEXT, layout=layout)
    env.reset(seed=1)
    for text in draw_texts(1, 60):
        observation, _, terminated, *_ = env.step(text)
        expected = env.unwrapped.simulator.grid_env.get_frame(highlight=False, tile_size=8)
        expected[:8, :8] = observation[0, :8, :8]
        np.testing.assert_array_equal(observation[0], expected)
        if terminated:
            break


def test_inventory_cell_shows_what_is_carried() -> None:
    env = make(TEXT, layout="doorkey")
    empty, _ = env.reset(seed=0)
    grid_env = env.unwrapped.simulator.grid_env
    key = next(i for i, thing in enumerate(grid_env.grid.grid) if thing is not None and thing.type == "key")
    x, y = key % 8 * 8, key // 8 * 8
    grid_env.carrying, grid_env.grid.grid[key] = grid_env.grid.grid[key], None
    carrying = env.step("wait")[0]
    np.testing.assert_array_equal(carrying[0, :8, :8], empty[0, y : y + 8, x : x + 8])


def test_simulator_leaves_minigrids_dynamics_alone() -> None:
    assert GridEnv.step is MiniGridEnv.step


def walk_into_goal(env: Any) -> Any:
    """Puts the agent in front of the goal and steps in."""
    env.reset(seed=0)
    twin = env.unwrapped
    x, y = map(int, twin.state()["goal"].split(","))
    twin.simulator.grid_env.agent_pos, twin.simulator.grid_env.agent_dir = (x - 1, y), 0
    return env.step("move forward")


def test_goal_gives_one_and_terminates() -> None:
    _, reward, terminated, truncated, _ = walk_into_goal(make(TEXT, layout="empty"))
    assert (reward, terminated, truncated) == (1.0, True, False)


def test_reward_does_not_decay_with_time() -> None:
    env = make(TEXT, layout="empty")
    env.reset(seed=0)
    env.unwrapped.simulator.grid_env.step_count = 200
    assert walk_into_goal(env)[1] == 1.0


def test_steps_off_the_goal_give_zero() -> None:
    env = make(TEXT, layout="empty")
    env.reset(seed=0)
    assert env.step("turn left")[1:3] == (0.0, False)


def test_episode_is_truncated_after_256_steps() -> None:
    env = make(TEXT)
    env.reset(seed=0)
    truncated = [env.step("wait")[3] for _ in range(256)]
    assert truncated == [False] * 255 + [True]


def test_agent_on_the_goal_leaves_it_visible() -> None:
    env = make(TEXT, layout="empty")
    observation = walk_into_goal(env)[0]
    x, y = env.unwrapped.state()["agent"]
    assert env.unwrapped.read_state(observation[0])["goal"] == f"{x},{y}"


def test_same_seed_and_texts_give_the_same_episode() -> None:
    episodes = []
    for _ in range(2):
        env = make(TEXT, layout="rooms")
        frames = [env.reset(seed=5)[0]]
        frames += [env.step(text)[0] for text in draw_texts(5, 40)]
        episodes.append(np.stack(frames))
    np.testing.assert_array_equal(episodes[0], episodes[1])


def test_every_layout_comes_when_none_is_asked_for() -> None:
    env = make(TEXT)
    env.reset(seed=0)
    assert {env.reset()[1]["layout"] for _ in range(100)} == set(GENERATORS)


def test_state_is_plain_json() -> None:
    env = make(TEXT, layout="rooms")
    env.reset(seed=0)
    env.step("move forward")
    state = env.unwrapped.state()
    assert json.loads(json.dumps(state)) == state


def test_is_valid_wants_one_agent_and_the_same_walls() -> None:
    env = make(TEXT)
    env.reset(seed=0)
    twin = env.unwrapped
    state = twin.state()
    flipped = "0" + state["walls"][1:]
    verdicts = [twin.is_valid(state, state | change) for change in ({}, {"num_agents": 2}, {"walls": flipped})]
    assert verdicts == [True, False, False]


def test_restored_state_replays_the_same_frames() -> None:
    env = make(TEXT, layout="rooms")
    env.reset(seed=7)
    saved = env.unwrapped.clone_state()
    first = np.stack([env.step(text)[0] for text in draw_texts(8, 50)])
    env.unwrapped.restore_state(saved)
    np.testing.assert_array_equal(first, np.stack([env.step(text)[0] for text in draw_texts(8, 50)]))


def test_restored_generator_draws_the_same_layouts() -> None:
    twin = make(TEXT).unwrapped
    twin.reset(seed=7)
    saved = twin.clone_state(include_rng=True)
    first = twin.reset()[0]
    twin.restore_state(saved)
    np.testing.assert_array_equal(first, twin.reset()[0])


def test_pickled_env_goes_on_alike() -> None:
    twin = MiniGridTwin(layout="rooms")
    twin.reset(seed=2)
    twin_copy = pickle.loads(pickle.dumps(twin))
    np.testing.assert_array_equal(twin.step("turn left")[0], twin_copy.step("turn left")[0])


def test_spec_survives_json() -> None:
    env = make(TEXT, layout="doorkey", split="test")
    spec = gym.envs.registration.EnvSpec.from_json(env.spec.to_json())
    np.testing.assert_array_equal(gym.make(spec).reset(seed=0)[0], env.reset(seed=0)[0])


@pytest.mark.parametrize("twin", [MiniGridTwin(), MiniGridTwin(actions="discrete")])
def test_step_before_reset_asks_for_a_reset(twin: Any) -> None:
    with pytest.raises(gym.error.ResetNeeded, match=r"got one before reset; call reset\(\) first"):
        twin.step(twin.action_space.sample())


def test_render_before_reset_asks_for_a_reset() -> None:
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\) first"):
        MiniGridTwin(render_mode="rgb_array").render()


def test_step_after_the_end_asks_for_a_reset() -> None:
    env = make(TEXT, layout="empty")
    walk_into_goal(env)
    with pytest.raises(gym.error.ResetNeeded, match=r"after the episode terminated; call reset\(\) first"):
        env.unwrapped.step("wait")


def test_bad_action_leaves_the_env_usable() -> None:
    twin = MiniGridTwin()
    twin.reset(seed=0)
    before = twin.state()
    with pytest.raises(ValueError):
        twin.step(3)
    assert twin.state() == before and not twin.step("wait")[2]


@pytest.mark.parametrize("action", [7, -1, 1.5, "wait", None])
def test_bad_discrete_action_names_value_rule_and_next_step(action: object) -> None:
    twin = MiniGridTwin(actions="discrete")
    twin.reset(seed=0)
    with pytest.raises(
        ValueError, match=r"action must be an integer from 0 to 6, got .*; get_action_meanings"
    ) as caught:
        twin.step(action)
    assert repr(action) in str(caught.value)


@pytest.mark.parametrize("argument", ["layout", "split", "render_mode", "actions"])
def test_unknown_argument_lists_the_choices(argument: str) -> None:
    with pytest.raises(ValueError, match=f"{argument} must be one of .*, got 'moon'; pick one"):
        MiniGridTwin(**dict[str, Any]({argument: "moon"}))
