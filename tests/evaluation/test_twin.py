"""Making the real twin."""

import gymnasium as gym
import pytest

from wm_gym.evaluation.twin import Env, RealTwin, judging_twin, make_twin, real_twin


def test_twin_is_a_real_twin(twin_env: Env) -> None:
    assert isinstance(real_twin(twin_env), RealTwin)


def test_time_limit_moves() -> None:
    env = make_twin("envs:real/MiniGrid-v0", split="test", max_episode_steps=2)
    env.reset(seed=0)
    assert [env.step("wait")[3] for _ in range(2)] == [False, True]


@pytest.mark.parametrize("twin", ["nowhere:real/MiniGrid-v0", "real/NoSuchWorld-v0", "CartPole-v1"])
def test_other_id_is_refused(twin: str) -> None:
    with pytest.raises(ValueError, match=f"twin must be the gym.make id of a real twin, got '{twin}'"):
        make_twin(twin, split="test", max_episode_steps=10)


def test_no_time_limit_by_default(twin_env: Env) -> None:
    twin_env.reset(seed=0)
    assert not any(twin_env.step("wait")[3] for _ in range(300))


def test_env_without_states_is_no_twin() -> None:
    with pytest.raises(ValueError, match="twin must offer state and read_state, got CartPoleEnv"):
        real_twin(gym.make("CartPole-v1"))


def test_env_that_cannot_judge_has_no_drift() -> None:
    with pytest.raises(ValueError, match="read_state and is_valid to measure drift, got CartPoleEnv; leave drift"):
        judging_twin(gym.make("CartPole-v1"))
