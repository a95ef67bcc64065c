"""RLlib trains in dreams: its own env runners step them, and its PPO learns from what they return."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import wm_gym
from tests.worlds import FRAME_SIZE

assert wm_gym  # registers the ids

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no report to anybody
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # Ray asks for it
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

NEEDS = 'needs RLlib: pip install "wm-gym[rllib]"'
ray = pytest.importorskip("ray", reason=NEEDS)
rllib_ppo = pytest.importorskip("ray.rllib.algorithms.ppo", reason=NEEDS, exc_type=ImportError)

from wm_gym.rllib import make_env, register_ids  # noqa: E402  # after the skip

ID = "wm_gym/WorldDiscrete-v0"
LIMIT = 3  # steps an episode


@pytest.fixture(scope="module", autouse=True)
def registered() -> None:
    register_ids()


@pytest.fixture
def cluster() -> Iterator[None]:
    """Ray on this machine, without a dashboard."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


def config_of(checkpoint: Path, **runners: Any) -> Any:
    """RLlib's PPO on two worlds a runner, with a network for tiny pictures."""
    from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

    return (
        rllib_ppo.PPOConfig()
        .environment(ID, env_config={"checkpoint": str(checkpoint), "max_episode_steps": LIMIT})
        .env_runners(
            **{
                "num_env_runners": 0,
                "num_envs_per_env_runner": 2,
                "rollout_fragment_length": 8,
                "sample_timeout_s": 600.0,
            }
            | runners,
        )
        .rl_module(model_config=DefaultModelConfig(conv_filters=[(8, 8, 8), (8, 4, 4)]))
        .training(train_batch_size_per_learner=16, minibatch_size=8, num_epochs=1)
        .debugging(seed=0)
    )


@pytest.mark.parametrize("mode", ["sync", "vector_entry_point"])
def test_its_runner_returns_the_episodes_of_the_dream(checkpoint: Path, mode: str) -> None:
    from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner

    runner: Any = SingleAgentEnvRunner(config=config_of(checkpoint, gym_env_vectorize_mode=mode))
    native = isinstance(runner.env.unwrapped, wm_gym.DiscreteWorldModelVectorEnv)
    assert native == (mode == "vector_entry_point")
    episodes = runner.sample(num_episodes=4, random_actions=True)
    runner.stop()
    assert len(episodes) >= 4
    for episode in episodes:
        observations = episode.get_observations()
        assert len(episode) == LIMIT and episode.is_truncated  # no step between episodes is one of theirs
        assert observations.shape == (LIMIT + 1, *FRAME_SIZE, 3) and observations.dtype == np.float32
        assert 0.1 < observations.max() <= 1


def test_pictures_are_those_of_the_env_as_floats(checkpoint: Path) -> None:
    floats: Any = make_env(ID, {"checkpoint": checkpoint, "num_envs": 2})
    plain: Any = gym.make_vec(ID, 2, checkpoint=checkpoint)
    np.testing.assert_array_equal(floats.reset(seed=3)[0], plain.reset(seed=3)[0].astype(np.float32) / 255)
    actions = np.array([0, 2])
    np.testing.assert_array_equal(floats.step(actions)[0], plain.step(actions)[0].astype(np.float32) / 255)
    assert floats.step(actions)[0] in floats.observation_space
    assert floats.single_observation_space == gym.spaces.Box(0.0, 1.0, (*FRAME_SIZE, 3), np.float32)


@pytest.mark.parametrize("number", [{}, {"num_envs": 2}])
def test_texts_are_refused_with_the_id_to_choose(checkpoint: Path, number: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"actions must be numbers .* texts in wm_gym/World-v0; choose .*Discrete-v0"):
        make_env("wm_gym/World-v0", {"checkpoint": checkpoint, **number})


@pytest.mark.usefixtures("cluster")
def test_its_ppo_trains_on_a_native_batch_in_another_process(checkpoint: Path) -> None:
    algorithm = config_of(checkpoint, num_env_runners=1, gym_env_vectorize_mode="vector_entry_point").build_algo()
    try:
        result = algorithm.train()
    finally:
        algorithm.stop()
    assert result["env_runners"]["num_env_steps_sampled_lifetime"] >= 16
    assert result["env_runners"]["episode_len_max"] == LIMIT
    assert np.isfinite(result["learners"]["default_policy"]["total_loss"])
