"""PPO in one file, after CleanRL, over a batch of dreams: `python3 -m examples.ppo_cleanrl --steps 20000`.

Everything that learns is in sight: the rollout, the advantages (arXiv 1506.02438) and the clipped loss (1707.06347).
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn
from torch.distributions import Categorical

import wm_gym  # noqa: F401  registers the ids

GAMMA, GAE_LAMBDA = 0.97, 0.95
CLIP, ENTROPY, VALUE = 0.2, 0.01, 0.5  # of the ratio; weights of the entropy bonus and the value's loss
EPOCHS, MINIBATCHES, MAX_GRADIENT = 4, 4, 0.5


class Agent(nn.Module):
    """Convolutions over pixels, then an actor and a critic."""

    def __init__(self, observation_space: gym.spaces.Box, num_actions: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 16, 4, 4), nn.ReLU(), nn.Conv2d(16, 32, 4, 2), nn.ReLU(), nn.Flatten()),
            *(nn.LazyLinear(128), nn.ReLU()),
        )
        self.actor, self.critic = nn.Linear(128, num_actions), nn.Linear(128, 1)
        with torch.no_grad():
            self(torch.zeros(1, *observation_space.shape, dtype=torch.uint8))  # sizes the lazy layer
            self.actor.weight.mul_(0.01)

    def forward(self, observations: Tensor) -> tuple[Categorical, Tensor]:
        """The policy and the values of uint8 observations (n, height, width, 3)."""
        features = self.features(observations.movedim(-1, 1) / 255)
        return Categorical(logits=self.actor(features)), self.critic(features)[:, 0]


@dataclass
class Batch:
    """What was lived, time first; `alive` is False where a step only reset its world and taught nothing."""

    observations: Tensor
    actions: Tensor
    log_probabilities: Tensor
    values: Tensor
    rewards: Tensor
    terminated: Tensor
    ended: Tensor
    alive: Tensor
    next_values: Tensor  # of what followed, before any reset

    def advantages(self) -> Tensor:
        """Generalised advantages; a time limit cuts the sum but not the value behind it."""
        deltas = self.rewards + GAMMA * self.next_values * ~self.terminated - self.values
        advantages, running = torch.zeros_like(deltas), torch.zeros(deltas.shape[1])
        for time in reversed(range(len(deltas))):
            running = deltas[time] + GAMMA * GAE_LAMBDA * running * ~self.ended[time]
            advantages[time] = running
        return advantages


class Learner:
    """A batch of dreams, an agent in all of them, and its optimizer.

    Args:
        envs: with Discrete actions, pixels, and Gymnasium's default autoreset: the step after an end resets.
        rollout_steps: steps of each world between updates.
    """

    def __init__(self, envs: gym.vector.VectorEnv[Any, Any, Any], rollout_steps: int, seed: int) -> None:
        assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP, "a reset takes a step of its own"
        torch.manual_seed(seed)
        self.envs, self.rollout_steps = envs, rollout_steps
        self.agent = Agent(envs.single_observation_space, envs.single_action_space.n)  # type: ignore[arg-type,attr-defined]
        self.optimizer = torch.optim.Adam(self.agent.parameters(), lr=1e-3, eps=1e-5)
        self.observation = torch.from_numpy(envs.reset(seed=seed)[0])
        self.ended = torch.zeros(envs.num_envs, dtype=torch.bool)
        self.returns: list[float] = []  # of the episodes that ended
        self._running = np.zeros(envs.num_envs)

    @torch.no_grad()
    def live(self) -> Batch:
        """Steps all worlds `rollout_steps` times."""
        steps = []
        for _ in range(self.rollout_steps):
            observation, alive = self.observation, ~self.ended
            policy, values = self.agent(observation)
            actions = policy.sample()
            following, rewards, terminated, truncated, _ = self.envs.step(actions.numpy())
            self.observation, self.ended = torch.from_numpy(following), torch.from_numpy(terminated | truncated)
            next_values = self.agent(self.observation)[1]
            self._count(rewards)
            outcome = (torch.from_numpy(rewards).float(), torch.from_numpy(terminated), self.ended, alive)
            steps.append((observation, actions, policy.log_prob(actions), values, *outcome, next_values))
        return Batch(*(torch.stack(column) for column in zip(*steps, strict=True)))

    def _count(self, rewards: np.ndarray) -> None:
        self._running += rewards
        for row in np.flatnonzero(self.ended.numpy()):
            self.returns.append(float(self._running[row]))
            self._running[row] = 0.0

    def update(self, batch: Batch) -> dict[str, float]:
        """A few passes of the clipped loss; returns what a curve would show."""
        advantages = batch.advantages()
        targets = (advantages + batch.values)[batch.alive]
        kept = (each[batch.alive] for each in (batch.observations, batch.actions, batch.log_probabilities, advantages))
        observations, actions, old, advantages = kept
        for _ in range(EPOCHS):
            for rows in torch.randperm(len(actions)).chunk(MINIBATCHES):
                policy, values = self.agent(observations[rows])
                ratio = (policy.log_prob(actions[rows]) - old[rows]).exp()
                gain = (advantages[rows] - advantages[rows].mean()) / (advantages[rows].std(correction=0) + 1e-8)
                policy_loss = -torch.minimum(gain * ratio, gain * ratio.clamp(1 - CLIP, 1 + CLIP)).mean()
                value_loss = (values - targets[rows]).pow(2).mean()
                entropy = policy.entropy().mean()
                self.optimizer.zero_grad()
                (policy_loss + VALUE * value_loss - ENTROPY * entropy).backward()
                nn.utils.clip_grad_norm_(self.agent.parameters(), MAX_GRADIENT)
                self.optimizer.step()
        last = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
        return {name: float(value.detach()) for name, value in last.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains in the dream and says how it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--id", default="wm_gym/MiniGridDiscrete-v0")
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--rollout", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    learner = Learner(gym.make_vec(options.id, options.worlds, max_episode_steps=64), options.rollout, options.seed)
    for number in range(1, max(1, options.steps // (options.worlds * options.rollout)) + 1):
        losses = learner.update(learner.live())
        mean = float(np.mean(learner.returns[-100:])) if learner.returns else float("nan")
        said = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        print(f"{number * options.worlds * options.rollout} steps: return {mean:.2f}, {said}", flush=True)
    learner.envs.close()


if __name__ == "__main__":
    main()
