"""The registered ids: what their specs promise, and what `gymnasium.utils.play` needs of them."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import wm_gym
from wm_gym.checkpoint import read_card, shipped_names
from wm_gym.worlds import WORLDS
from wm_gym.wrappers import DiscreteActions, LastFrame

TEXT, DISCRETE = "wm_gym/MiniGrid-v0", "wm_gym/MiniGridDiscrete-v0"

assert wm_gym  # registers


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_id_is_deterministic_and_limited(id: str) -> None:
    spec = gym.spec(id)
    assert (spec.nondeterministic, spec.max_episode_steps) == (False, 256)


def test_gym_make_finds_the_id_by_its_module() -> None:
    env = gym.make(f"wm_gym:{TEXT}")
    assert env.spec is not None
    assert env.spec.id == TEXT


def test_arguments_of_make_reach_the_env() -> None:
    env: Any = gym.make(TEXT, render_mode="rgb_array", temperature=0.5, report_latencies=True)
    env.reset(seed=0)
    assert "latencies" in env.step("turn left")[-1]


def test_discrete_id_says_the_canonical_texts_and_shows_the_last_frame() -> None:
    text: Any = gym.make(TEXT)
    discrete = gym.make(DISCRETE)
    phrases = [texts[0] for texts in text.unwrapped.action_phrases.values()]
    np.testing.assert_array_equal(text.reset(seed=3)[0][-1], discrete.reset(seed=3)[0])
    for number, phrase in enumerate(phrases):
        np.testing.assert_array_equal(text.step(phrase)[0][-1], discrete.step(number)[0])


def test_discrete_id_equals_the_wrapped_text_id() -> None:
    wrapped, discrete = LastFrame(DiscreteActions(gym.make(TEXT))), gym.make(DISCRETE)
    assert wrapped.observation_space == discrete.observation_space
    assert wrapped.action_space == discrete.action_space
    assert wrapped.get_wrapper_attr("noop") == discrete.get_wrapper_attr("noop")
    assert wrapped.get_wrapper_attr("get_keys_to_action")() == discrete.get_wrapper_attr("get_keys_to_action")()


def test_discrete_actions_stand_in_the_order_of_the_world() -> None:
    env: Any = gym.make(DISCRETE)
    phrases = env.unwrapped.action_phrases
    assert env.get_wrapper_attr("get_action_meanings")() == [texts[0] for texts in phrases.values()]


@pytest.mark.parametrize("id", [TEXT, DISCRETE])
def test_play_finds_keys_and_a_noop_inside_the_space(id: str) -> None:
    env: Any = gym.make(id, render_mode="rgb_array")
    keys = env.get_wrapper_attr("get_keys_to_action")()
    assert len(keys) >= 6
    assert all(action in env.action_space for action in [*keys.values(), env.get_wrapper_attr("noop")])


def test_unknown_world_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="world must be one of carracing, minigrid, pong, pusht, got 'coinrun'"):
        gym.make(TEXT, world="coinrun")


def test_shipped_worlds_are_those_of_shipped_checkpoints() -> None:
    shipped = {world for name in shipped_names() for world in read_card(name).worlds}
    assert shipped == {name for name, world in WORLDS.items() if world.is_shipped}
