"""A second world and quick options for the tests of fine-tuning."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tests.worlds import Chunk, Slide
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import random_policy, record
from wm_gym.training.autoencoder_stage import AutoencoderStageConfig
from wm_gym.training.loop import LoopConfig
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

LOOP = LoopConfig(num_iterations=3, warmup_iterations=1)
STAGE = WorldModelStageConfig(batch_size=4, num_rounds=3, rollout_fraction=0.5)
AUTOENCODER_STAGE = AutoencoderStageConfig(batch_size=4)


class Swim(Slide):
    """`Slide` in other colours and words, where the goal gives 0.5 and every other step costs 0.25."""

    world = "swim"
    action_phrases: ClassVar[dict[str, tuple[str, ...]]] = {
        "west": ("swim left", "paddle left"),
        "south": ("swim down", "paddle down"),
        "float": ("float", ""),
    }
    key_map: ClassVar[dict[str, str]] = {"a": "swim left", "s": "swim down"}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        observation, info = super().reset(seed=seed, options=options)
        return _wet(observation), info

    def step(self, action: str) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        return _wet(observation), 0.75 * reward - 0.25, terminated, truncated, info


def _wet(frames: Chunk) -> Chunk:
    return np.ascontiguousarray(255 - frames[..., ::-1])


def swim_dataset(folder: Path, num_episodes: int = 4, chunk_frames: int = 1) -> Dataset:
    """Episodes of `Swim` under a random policy, at most 8 steps each."""
    env = Swim(chunk_frames)
    return record(env, random_policy, output=folder, num_episodes=num_episodes, max_steps=8, progress=False)
