"""Trains PPO in a dream and plays the same policy in the real world: `python3 -m examples.train_in_dream`.

A few thousand steps only show the way; `python -m policies.ppo` is the recipe that reaches the goal.
"""

import argparse
from collections.abc import Sequence

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import VecMonitor

import wm_gym  # noqa: F401  registers the ids
from wm_gym.sb3 import as_vec_env


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and plays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=4096)
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--episodes", type=int, default=20)
    options = parser.parse_args(arguments)
    model = train(options.steps, options.worlds)
    real = gym.make("envs:real/MiniGridDiscrete-v0", layout="empty", split="test", max_episode_steps=64)
    mean, spread = evaluate_policy(model, real, n_eval_episodes=options.episodes, deterministic=False, warn=False)
    print(f"{options.steps} dreamed steps, then {options.episodes} real episodes: return {mean:.2f} +- {spread:.2f}")


def train(steps: int, num_worlds: int) -> PPO:
    """Trains in a batch of dreams; no simulator is there."""
    dreams = gym.make_vec("wm_gym/MiniGridDiscrete-v0", num_envs=num_worlds, max_episode_steps=64)
    model = PPO("CnnPolicy", VecMonitor(as_vec_env(dreams)), n_steps=16, batch_size=128, device="cpu", seed=0)
    return model.learn(steps)


if __name__ == "__main__":
    main()
