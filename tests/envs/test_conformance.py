"""What every env of the house keeps to, learned or real, under its registered id."""

import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as check_env_for_sb3

import envs
import wm_gym
from tests.production import unchecked

assert envs and wm_gym  # both register their ids

DREAM = ["wm_gym/MiniGrid-v0", "wm_gym/MiniGridDiscrete-v0"]
REAL = ["real/MiniGrid-v0", "real/MiniGridDiscrete-v0"]
TEXT, DISCRETE = [DREAM[0], REAL[0]], [DREAM[1], REAL[1]]
IDS = DREAM + REAL
LEARNED = sorted(id for id in gym.registry if id.startswith("wm_gym/") and not id.startswith("wm_gym/World"))


@pytest.fixture(autouse=True)
def without_checks() -> Iterator[None]:
    """What users run."""
    with unchecked():
        yield


@pytest.fixture(params=IDS)
def id(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def env(id: str) -> Iterator[Any]:
    env = gym.make(id, render_mode="rgb_array")
    yield env
    env.close()


def draw_actions(env: Any, seed: int, count: int) -> list[Any]:
    """Random actions that the world knows: canonical texts, their numbers, or numbers within their ranges."""
    if isinstance(env.action_space, gym.spaces.Box):
        env.action_space.seed(seed)
        return [env.action_space.sample() for _ in range(count)]
    meanings = list(env.unwrapped.action_phrases)
    numbers = np.random.default_rng(seed).integers(len(meanings), size=count)
    if isinstance(env.action_space, gym.spaces.Discrete):
        return list(numbers)
    return [env.unwrapped.action_phrases[meanings[number]][0] for number in numbers]


def live(env: Any, actions: list[Any]) -> list[Any]:
    """What the env answers, as comparable values; it is reset where an episode ends."""
    answers = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        answers.append((observation.tobytes(), reward, terminated, truncated, pickle.dumps(info)))
        if terminated or truncated:
            answers.append(env.reset()[0].tobytes())
    return answers


@pytest.mark.parametrize("id", [*LEARNED, *REAL], indirect=True)
def test_check_env_passes_without_warnings(env: Any) -> None:
    check_env(env.unwrapped)


def test_every_shipped_world_has_learned_ids() -> None:
    both, all_three = ("", "Discrete"), ("", "Discrete", "Box")
    kinds = {"MiniGrid": both, "Pong": both, "PushT": all_three, "CarRacing": all_three}
    assert LEARNED == sorted(f"wm_gym/{name}{kind}-v0" for name, own in kinds.items() for kind in own)


@pytest.mark.parametrize("id", DISCRETE, indirect=True)
@pytest.mark.parametrize("action", [-1, 7, 1.5, "turn left", None])
def test_bad_number_is_a_clear_error_and_leaves_the_env_usable(env: Any, action: object) -> None:
    env.reset(seed=0)
    with pytest.raises(ValueError, match="action must be an integer"):
        env.unwrapped.step(action)
    env.unwrapped.step(0)


@pytest.mark.parametrize("id", DISCRETE, indirect=True)
def test_check_env_of_stable_baselines3_passes_without_warnings(env: Any) -> None:
    check_env_for_sb3(env)


@pytest.mark.parametrize("ids", [TEXT, DISCRETE], ids=["text", "discrete"])
def test_learned_and_real_have_the_same_spaces(ids: list[str]) -> None:
    dream, real = (gym.make(id) for id in ids)
    assert dream.observation_space == real.observation_space
    assert dream.action_space == real.action_space


def test_learned_and_real_know_the_same_texts_and_keys() -> None:
    dream: Any
    real: Any
    dream, real = (gym.make(id).unwrapped for id in TEXT)
    for name in ("world", "chunk_frames", "key_map"):
        assert getattr(dream, name) == getattr(real, name)
    assert list(dream.action_phrases) == list(real.action_phrases)
    for action, phrases in dream.action_phrases.items():  # the twin may have learned more since the weights were made
        assert phrases[0] == real.action_phrases[action][0]
        assert set(phrases) <= set(real.action_phrases[action])


def test_spec_survives_json(env: Any) -> None:
    spec = EnvSpec.from_json(env.spec.to_json())
    again = gym.make(spec)
    assert str(again) == str(env)
    np.testing.assert_array_equal(again.reset(seed=1)[0], env.reset(seed=1)[0])


def test_pickle_makes_the_env_again(env: Any) -> None:
    again = pickle.loads(pickle.dumps(env))
    np.testing.assert_array_equal(again.reset(seed=1)[0], env.reset(seed=1)[0])


def test_seed_determines_200_steps(id: str) -> None:
    def run() -> list[Any]:
        env = gym.make(id)
        first = env.reset(seed=5)[0].tobytes()
        return [first, *live(env, draw_actions(env, 5, 200))]

    assert run() == run()


@pytest.mark.parametrize("id", [*LEARNED, *REAL], indirect=True)
def test_restored_state_repeats_50_steps(env: Any) -> None:
    env.reset(seed=6)
    live(env, draw_actions(env, 6, 3))
    saved = env.unwrapped.clone_state(include_rng=True)
    expected = live(env, draw_actions(env, 7, 50))
    env.unwrapped.restore_state(saved)
    assert live(env, draw_actions(env, 7, 50)) == expected


def test_observations_of_two_steps_share_no_memory(env: Any) -> None:
    first, _ = env.reset(seed=0)
    kept = first.copy()
    for action in draw_actions(env, 0, 3):
        env.step(action)[0][:] = 0
    np.testing.assert_array_equal(first, kept)


def test_render_shows_what_was_observed(env: Any) -> None:
    observation, _ = env.reset(seed=2)
    np.testing.assert_array_equal(env.render(), observation.reshape(-1, *env.render().shape)[-1])


def test_time_limit_truncates(id: str) -> None:
    env = gym.make(id, max_episode_steps=2)
    env.reset(seed=0)
    assert [env.step(action)[3] for action in draw_actions(env, 1, 2)] == [False, True]


def test_unwrapped_step_before_reset_is_an_error(env: Any) -> None:
    text_env = isinstance(env.unwrapped.action_space, gym.spaces.Text)
    with pytest.raises(ResetNeeded, match="reset"):
        env.unwrapped.step("wait" if text_env else 0)


BAD_ACTIONS = {"too long": "x" * 257, "not printable": "turn\x00left", "not ASCII": "tourne à gauche"}


@pytest.mark.parametrize("case", BAD_ACTIONS)
@pytest.mark.parametrize("id", TEXT, indirect=True)
def test_bad_text_is_a_clear_error_and_leaves_the_env_usable(id: str, case: str) -> None:
    env = gym.make(id, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"action must .*, got .*; "):
        env.step(BAD_ACTIONS[case])
    env.step("turn left")


@pytest.mark.parametrize("action", [7, -1])
@pytest.mark.parametrize("id", DISCRETE, indirect=True)
def test_number_outside_the_space_is_a_clear_error_and_leaves_the_env_usable(id: str, action: int) -> None:
    env = gym.make(id, disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(ValueError, match=f"action must be an integer .*, got {action}; "):
        env.step(action)
    env.step(0)


def test_a_user_sees_no_warnings(id: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        env = gym.make(id, render_mode="rgb_array")
        env.reset(seed=0)
        env.step(env.action_space.sample())
        env.render()
        env.close()
    assert [str(each.message) for each in caught] == []


def test_sync_vector_env_steps(id: str) -> None:
    vector = gym.make_vec(id, num_envs=2, vectorization_mode="sync")
    vector.reset(seed=0)
    observations, *_ = vector.step(vector.action_space.sample())
    assert observations.shape == vector.observation_space.shape
    vector.close()
