"""The one-file PPO: its advantages, its resets, and that its updates learn."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from examples.ppo_cleanrl import GAE_LAMBDA, GAMMA, Batch, Learner, main


class Lamp(gym.Env[Any, Any]):
    """Action 1 is right and pays; three steps end it."""

    observation_space = gym.spaces.Box(0, 255, (16, 16, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins."""
        super().reset(seed=seed)
        self.left = 3
        return np.zeros((16, 16, 3), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Pays."""
        self.left -= 1
        return np.full((16, 16, 3), 80 * (3 - self.left), np.uint8), float(action), self.left == 0, False, {}


def lamps(num_envs: int) -> Any:
    return gym.vector.SyncVectorEnv([Lamp] * num_envs)


def batch(rewards: list[float], values: list[float], ends: list[bool], terminated: list[bool]) -> Batch:
    """One world's life."""
    column = {"rewards": rewards, "values": values, "next_values": [*values[1:], 0.5]}
    floats = {name: torch.tensor(value)[:, None] for name, value in column.items()}
    flags = {"ended": torch.tensor(ends)[:, None], "terminated": torch.tensor(terminated)[:, None]}
    blank = torch.zeros(len(rewards), 1)
    return Batch(
        observations=blank,
        actions=blank,
        log_probabilities=blank,
        alive=torch.ones(len(rewards), 1) > 0,
        **floats,
        **flags,
    )


def test_advantages_are_discounted_sums_of_temporal_differences() -> None:
    rewards, values = [1.0, 0.0, 2.0], [0.3, 0.2, 0.1]
    found = batch(rewards, values, [False] * 3, [False] * 3).advantages()[:, 0]
    deltas = [1 + GAMMA * 0.2 - 0.3, GAMMA * 0.1 - 0.2, 2 + GAMMA * 0.5 - 0.1]
    decay = GAMMA * GAE_LAMBDA
    assert found.tolist() == pytest.approx(
        [deltas[0] + decay * (deltas[1] + decay * deltas[2]), deltas[1] + decay * deltas[2], deltas[2]]
    )


@pytest.mark.parametrize(("terminated", "first"), [(True, 1 - 0.3), (False, 1 + GAMMA * 0.2 - 0.3)])
def test_an_end_cuts_the_sum_and_a_time_limit_keeps_the_value_behind_it(terminated: bool, first: float) -> None:
    found = batch([1.0, 5.0], [0.3, 0.2], [True, False], [terminated, False]).advantages()[0, 0]
    assert float(found) == pytest.approx(first)


def test_steps_that_only_reset_are_left_out() -> None:
    lived = Learner(lamps(2), rollout_steps=8, seed=0).live()
    assert lived.alive[:, 0].tolist() == [True, True, True, False] * 2
    assert lived.ended[:, 0].tolist() == [False, False, True, False] * 2


def test_updates_learn_what_pays() -> None:
    learner = Learner(lamps(8), rollout_steps=16, seed=0)
    for _ in range(8):
        learner.update(learner.live())
    assert np.mean(learner.returns[:16]) < 2.2
    assert np.mean(learner.returns[-16:]) > 2.7


def test_it_trains_in_the_dream(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--steps", "64", "--worlds", "4", "--rollout", "8"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"64 steps: return \S+, policy_loss \S+, value_loss \d\S+, entropy 1\.\d+", lines[-1])
