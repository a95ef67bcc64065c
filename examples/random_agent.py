"""Says random texts to a dreamed world and films it: `python3 -m examples.random_agent --output random.gif`."""

import argparse
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np

import wm_gym  # noqa: F401  registers the ids

SCALE = 4  # pixels a side of one pixel of the world


def main(arguments: Sequence[str] | None = None) -> None:
    """Steps the world and writes the GIF."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("random.gif"))
    options = parser.parse_args(arguments)
    frames, total = walk(options.steps, options.seed)
    pixels = np.stack(frames).repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    imageio.imwrite(options.output, pixels, duration=125, loop=0)  # ms a frame
    print(f"{len(frames) - 1} steps, reward {total:g}: look at {options.output}")


def walk(steps: int, seed: int) -> tuple[list[np.ndarray], float]:
    """Acts at random, over as many episodes as it takes.

    Returns:
        The last frame of every observation, uint8 (height, width, 3), and the sum of rewards.
    """
    env = gym.make("wm_gym/MiniGrid-v0")
    phrases = [text for texts in env.get_wrapper_attr("action_phrases").values() for text in texts]
    rng = np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    frames, total = [observation[-1]], 0.0
    while len(frames) <= steps:
        observation, reward, terminated, truncated, _ = env.step(phrases[rng.integers(len(phrases))])
        frames.append(observation[-1])
        total += float(reward)
        if terminated or truncated:
            observation, _ = env.reset()
    env.close()
    return frames, total


if __name__ == "__main__":
    main()
