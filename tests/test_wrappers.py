"""`LastFrame` and `DiscreteActions`, around an env of texts and chunks."""

from typing import Any

import gymnasium as gym
import numpy as np
import pygame
import pytest

from tests.worlds import MOVES, Slide
from wm_gym.keys import key_codes
from wm_gym.wrappers import DiscreteActions, LastFrame


class Keyed(Slide):
    """`Slide` with keys for `gymnasium.utils.play`."""

    def get_keys_to_action(self) -> dict[tuple[int, ...], str]:
        return key_codes(self.key_map)


def test_last_frame_is_the_last_of_the_chunk() -> None:
    env, wrapped = Slide(chunk_frames=3), LastFrame(Slide(chunk_frames=3))
    env.reset(seed=0), wrapped.reset(seed=0)
    chunk, frame = env.step("go left")[0], wrapped.step("go left")[0]
    np.testing.assert_array_equal(frame, chunk[-1])


def test_last_frame_lies_in_its_space() -> None:
    env = LastFrame(Slide(chunk_frames=3))
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert observation.shape == (32, 32, 3)


def test_last_frame_refuses_single_frames() -> None:
    with pytest.raises(ValueError, match=r"env must observe uint8 chunks .* got Box"):
        LastFrame(LastFrame(Slide()))


def test_discrete_actions_say_the_canonical_phrases_in_order() -> None:
    env = DiscreteActions(Slide())
    assert env.get_action_meanings() == ["go left", "go right", "go down", "wait"]
    assert env.action_space == gym.spaces.Discrete(4)


@pytest.mark.parametrize("number", range(len(MOVES)))
def test_discrete_action_acts_as_its_text(number: int) -> None:
    text, discrete = Slide(), DiscreteActions(Slide())
    text.reset(seed=1), discrete.reset(seed=1)
    expected = text.step(discrete.get_action_meanings()[number])[0]
    np.testing.assert_array_equal(discrete.step(np.int64(number))[0], expected)


def test_discrete_actions_take_phrases_of_the_user() -> None:
    env = DiscreteActions(Slide(), phrases=["slide down", ""])
    assert env.get_action_meanings() == ["slide down", ""]
    assert env.action(1) == ""


@pytest.mark.parametrize("action", [4, -1, 1.5, "go left", None])
def test_discrete_actions_refuse_another_action(action: Any) -> None:
    env = DiscreteActions(Slide())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be an integer from 0 to 3, got"):
        env.step(action)
    env.step(np.int64(0))


def test_discrete_actions_refuse_an_env_without_texts() -> None:
    numbered: Any = DiscreteActions(Slide())
    with pytest.raises(ValueError, match="env must take text actions, got Discrete"):
        DiscreteActions(numbered)


def test_discrete_actions_refuse_no_phrases() -> None:
    with pytest.raises(ValueError, match="phrases must hold at least one text"):
        DiscreteActions(Slide(), phrases=[])


def test_discrete_actions_refuse_a_phrase_that_is_no_action() -> None:
    with pytest.raises(ValueError, match="phrases must be texts that the env's action space allows, got 'süd'"):
        DiscreteActions(Slide(), phrases=["süd"])


def test_keys_give_numbers_and_leave_out_texts_without_one() -> None:
    env = DiscreteActions(Keyed(), phrases=["go down", "go left"])
    assert env.get_keys_to_action() == {(pygame.K_LEFT,): 1, (pygame.K_DOWN,): 0}


def test_noop_is_the_number_that_waits() -> None:
    assert DiscreteActions(Slide()).noop == 3
    assert DiscreteActions(Slide(), phrases=["go left", ""]).noop == 1


def test_wrappers_are_remade_from_the_spec() -> None:
    gym.register("tests/Slide-v0", entry_point="tests.worlds:Slide")
    env = LastFrame(DiscreteActions(gym.make("tests/Slide-v0"), phrases=["go left", "wait"]))
    assert env.spec is not None
    again = gym.make(env.spec)
    assert str(again) == str(env)
    assert again.get_wrapper_attr("get_action_meanings")() == ["go left", "wait"]
