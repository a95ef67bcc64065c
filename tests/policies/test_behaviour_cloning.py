"""Behaviour cloning: what it reads, and that it imitates."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from policies.behaviour_cloning import CloningConfig, action_numbers, discounted, load, train
from policies.minigrid import expert, mixed
from policies.ppo import build
from policies.ppo_config import PPOConfig
from policies.ppo_worlds import make_twins
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import record


def record_with(policy: Any, folder: Path, **arguments: Any) -> Dataset:
    """A few episodes of the twin."""
    env = gym.make("envs:real/MiniGrid-v0", disable_env_checker=True, **arguments)
    return record(env, policy, output=folder, num_episodes=6, max_steps=32, progress=False)


@pytest.fixture(scope="module")
def expert_data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return record_with(expert, tmp_path_factory.mktemp("expert") / "data", layout="empty")


def test_returns_are_discounted() -> None:
    assert discounted([0.0, 0.0, 1.0], 0.5) == [0.25, 0.5, 1.0]
    assert discounted([1.0, 0.0, 2.0], 0.5) == [1.5, 1.0, 2.0]


def test_every_phrasing_has_the_number_of_its_action() -> None:
    assert action_numbers([("left", "go left"), ("right",)]) == {"left": 0, "go left": 0, "right": 1}


def test_it_reads_the_steps_of_the_episodes(expert_data: Dataset, tmp_path: Path) -> None:
    config = CloningConfig(data=(expert_data.folder,), output=tmp_path, num_episodes=2)
    steps, num_episodes = load(config)
    first, second = expert_data[0], expert_data[1]
    assert num_episodes == 2
    assert len(steps.actions) == first.num_steps + second.num_steps
    np.testing.assert_array_equal(steps.observations[0], first.observations[0, -1].transpose(2, 0, 1))
    assert steps.returns[first.num_steps - 1] == 1
    assert set(steps.actions.tolist()) <= {0, 1, 2}  # turns and steps lead to the goal of an empty room


def test_episodes_without_a_reward_or_of_other_layouts_are_left_out(tmp_path: Path) -> None:
    data = record_with(mixed, tmp_path / "mixed")
    wanted = [entry.num_steps for entry in data.entries if entry.total_reward > 0]
    config = CloningConfig(data=(data.folder,), output=tmp_path, layouts=())
    assert len(load(config)[0].actions) == sum(wanted)
    with pytest.raises(ValueError, match="data must hold episodes to imitate, got none"):
        load(CloningConfig(data=(data.folder,), output=tmp_path, layouts=("castle",)))


def test_it_imitates_and_ppo_takes_it_up(expert_data: Dataset, tmp_path: Path) -> None:
    config = CloningConfig(
        data=(expert_data.folder,),
        output=tmp_path,
        layouts=("empty",),
        iterations=60,
        batch_size=32,
        episodes=2,
    )
    result = train(config)
    assert result["cross_entropy"] < 0.5 * np.log(7)  # half of what guessing costs
    assert result["num_episodes"] == 6
    plain = PPOConfig(output=tmp_path, env="real", layouts=("empty",), num_envs=8, initial=tmp_path / "policy.zip")
    model = build(plain, make_twins(plain, None))
    episode = expert_data[0]
    value = model.policy.predict_values(model.policy.obs_to_tensor(episode.observations[-2, -1])[0])
    assert float(value.detach()) > 0.5  # one step before the goal
