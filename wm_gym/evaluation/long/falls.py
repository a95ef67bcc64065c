"""Falls: real episodes under one law, with their first frames apart for a dream to begin from."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.long.physics import CLIP_FRAMES, LawfulSimulator
from wm_gym.evaluation.rollouts import rollout_seed
from wm_gym.evaluation.twin import Env

_STREAM = 10  # of rollout_seed


@dataclass(frozen=True, kw_only=True, eq=False)
class Fall:
    """An episode in which nobody acts.

    Attributes:
        seed: Of the episode.
        clip: The first frames.
        frames: Those after them.
    """

    seed: int
    clip: UInt8[np.ndarray, "clip height width 3"]
    frames: UInt8[np.ndarray, "time height width 3"]


def lawful(env: Env) -> LawfulSimulator | None:
    """The simulator below, where its laws are known."""
    simulator = getattr(env.unwrapped, "simulator", None)
    return simulator if isinstance(simulator, LawfulSimulator) else None


def collect_falls(env: Env, *, law: str, speeds: str, num_falls: int, seed: int) -> list[Fall]:
    """Lets a lawful twin run from `num_falls` starts.

    Args:
        env: The twin, from `make_twin`.
        law: Which law.
        speeds: Which range of speeds.
        num_falls: How many.
        seed: Of the episodes.

    Raises:
        ValueError: The twin knows no laws.
    """
    simulator = lawful(env)
    if simulator is None:
        raise ValueError(f"twin must know its laws, got {env.unwrapped}; leave falls out")
    before = simulator.law, simulator.speeds
    simulator.law, simulator.speeds = law, speeds
    idle = idle_text(env.unwrapped)
    falls = []
    try:
        for index in range(num_falls):
            episode_seed = rollout_seed(seed, index, stream=_STREAM)
            observation, _ = env.reset(seed=episode_seed)
            frames = [observation[-1]]
            for _ in range(simulator.free_steps):
                frames.append(env.step(idle)[0][-1])
            stacked = np.stack(frames)
            falls.append(Fall(seed=episode_seed, clip=stacked[:CLIP_FRAMES], frames=stacked[CLIP_FRAMES:]))
    finally:
        simulator.law, simulator.speeds = before
    return falls


def idle_text(twin: Any) -> str:
    """How to say that nothing is to be done."""
    return str(twin.action_phrases[twin.simulator.actions.idle][0])
