"""Saves a dreamed world and lives two futures of the same moment: `python3 -m examples.fork --output fork.gif`.

Both halves of the picture show the same frames until the fork. After it the left one is told to turn left, the right
one to turn right.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from wm_gym import EnvState, WorldModelEnv

SCALE = 4  # pixels a side of one pixel of the world
PAST = ["move forward", "turn right", "move forward"]
FUTURES = (["turn left", *["move forward"] * 4], ["turn right", *["move forward"] * 4])


def main(arguments: Sequence[str] | None = None) -> None:
    """Forks the world and writes both futures side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("fork.gif"))
    options = parser.parse_args(arguments)
    world = WorldModelEnv("minigrid")
    observation, _ = world.reset(seed=options.seed)
    past = [observation[-1], *(world.step(text)[0][-1] for text in PAST)]
    saved = world.clone_state()
    left, right = (past + live(world, saved, texts) for texts in FUTURES)
    sides = [np.concatenate(pair, axis=1) for pair in zip(left, right, strict=True)]
    pixels = np.stack(sides).repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    imageio.imwrite(options.output, pixels, duration=500, loop=0)  # ms a frame
    print(f"One past, two futures: look at {options.output}")


def live(world: WorldModelEnv, saved: EnvState, texts: Sequence[str]) -> list[np.ndarray]:
    """Goes back to the saved moment and acts from there; a future that ends early stands still.

    Returns:
        The last frame after every text, uint8 (height, width, 3).
    """
    world.restore_state(saved)
    frames: list[np.ndarray] = []
    ended = False
    for text in texts:
        if not ended:
            observation, _, terminated, truncated, _ = world.step(text)
            ended = terminated or truncated
        frames.append(observation[-1])
    return frames


if __name__ == "__main__":
    main()
