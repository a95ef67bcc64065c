"""Real rollouts of the twin, collected once, and a checkpoint with random weights.

The imports stand inside the fixtures: pytest reads this file before jaxtyping's import hook is in place.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wm_gym.evaluation.rollouts import RealRollout
    from wm_gym.evaluation.twin import Env
    from wm_gym.world_model import WorldModel

HORIZON = 16


@pytest.fixture(scope="session")
def twin_env() -> "Iterator[Env]":
    """The real twin on held-out layouts."""
    from wm_gym.evaluation.twin import make_twin

    env = make_twin("envs:real/MiniGrid-v0", split="test", max_episode_steps=1001)
    yield env
    env.close()


@pytest.fixture(scope="session")
def explored(twin_env: "Env") -> "list[RealRollout]":
    """Rollouts of the explorer, each of `HORIZON` steps."""
    from wm_gym.evaluation.rollouts import collect_rollout

    return [collect_rollout(twin_env, "policies.minigrid:explorer", seed=seed, horizon=HORIZON) for seed in range(8)]


@pytest.fixture(scope="session")
def solved(twin_env: "Env") -> "RealRollout":
    """A rollout of the expert that reaches the goal before 64 steps."""
    from wm_gym.evaluation.rollouts import collect_rollout

    seeds = range(20)
    rollouts = (collect_rollout(twin_env, "policies.minigrid:expert", seed=seed, horizon=64) for seed in seeds)
    return next(rollout for rollout in rollouts if rollout.terminated.any() and rollout.num_steps > 1)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> "WorldModel":
    """A world model of the twin that knows nothing."""
    import gymnasium as gym

    from tests.worlds import tiny_autoencoder, tiny_size
    from wm_gym.data.recording import random_policy, record
    from wm_gym.training.presets import untrained_world_model

    env = gym.make("envs:real/MiniGrid-v0", disable_env_checker=True)
    folder = tmp_path_factory.mktemp("minigrid-data")
    dataset = record(env, random_policy, output=folder, num_episodes=2, max_steps=8, progress=False)
    model = untrained_world_model(dataset, tiny_autoencoder(), tiny_size()).eval()
    model.save_pretrained(folder / "checkpoint")
    return type(model).from_pretrained(folder / "checkpoint")
