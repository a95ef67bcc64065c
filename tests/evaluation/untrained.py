"""World models of real worlds that know nothing."""

from dataclasses import replace
from pathlib import Path

import gymnasium as gym

from tests.worlds import tiny_autoencoder, tiny_size
from wm_gym.data.mixture import Mixture
from wm_gym.data.recording import random_policy, record
from wm_gym.training.presets import untrained_world_model
from wm_gym.world_model import WorldModel
from wm_gym.worlds import WORLDS


def write_untrained(folder: Path, *worlds: str, past_frames: int = 1) -> Path:
    """Write a checkpoint of these worlds with random weights.

    Args:
        folder: datasets are recorded there, and the checkpoint lies there.
        worlds: their names.
        past_frames: frames that the decoder looks at.

    Returns:
        The checkpoint's folder.
    """
    datasets = []
    for world in worlds:
        env = gym.make(WORLDS[world].twin, disable_env_checker=True)
        output = folder / world
        datasets.append(record(env, random_policy, output=output, num_episodes=2, max_steps=8, progress=False))
        env.close()
    size = replace(tiny_size(), past_frames=past_frames)
    untrained_world_model(Mixture(tuple(datasets)), tiny_autoencoder(), size).save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


def untrained(folder: Path, *worlds: str, past_frames: int = 1) -> WorldModel:
    """The model of such a checkpoint."""
    return WorldModel.from_pretrained(write_untrained(folder, *worlds, past_frames=past_frames))
