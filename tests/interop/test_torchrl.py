"""TorchRL's `GymEnv` steps the Discrete ids."""

import sys
import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

import wm_gym
from tests.worlds import FRAME_SIZE

assert wm_gym  # registers the ids

with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
    warnings.simplefilter("ignore")  # torchrl's own, at import
    patch.setitem(sys.modules, "procgen", None)  # torchrl would import it, and the bare one here lacks its gym3
    pytest.importorskip("torchrl")
    from torchrl.envs import GymEnv
    from torchrl.envs.utils import check_env_specs

ID = "wm_gym/WorldDiscrete-v0"


@pytest.fixture
def env(checkpoint: Path) -> Any:
    return GymEnv(ID, checkpoint=checkpoint, max_episode_steps=3, categorical_action_encoding=True)


def test_specs_fit_what_the_world_gives(env: Any) -> None:
    check_env_specs(env)
    assert env.observation_spec["pixels"].shape == (*FRAME_SIZE, 3)


def test_a_rollout_is_what_gymnasium_steps(env: Any, checkpoint: Path) -> None:
    env.set_seed(4)
    rollout = env.rollout(8)
    assert rollout.shape == (3,)  # the time limit ends it
    assert rollout["next", "truncated"].flatten().tolist() == [False, False, True]
    single = gym.make(ID, checkpoint=checkpoint)
    single.reset(seed=4)  # set_seed resets once, the rollout again
    observation, _ = single.reset()
    for step in rollout:
        assert torch.equal(step["pixels"], torch.from_numpy(observation))
        observation, reward, *_ = single.step(int(step["action"]))
        assert float(step["next", "reward"]) == float(reward)
        assert torch.equal(step["next", "pixels"], torch.from_numpy(observation))
