"""Small episodes whose every pixel tells its step, for the tests of `wm_gym.data`."""

from pathlib import Path

import numpy as np

from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest

TEXTS = ("wait", "turn left", "öffne \U0001f6aa")


def make_manifest(seed: int = 0) -> Manifest:
    """The manifest that fits `make_episode`."""
    return Manifest(env_id="test/Tiny-v0", world="tiny", frame_size=(4, 6), chunk_frames=2, seed=seed)


def make_episode(number: int, num_steps: int = 5, *, reward_step: int | None = None, ends: bool = True) -> Episode:
    """An episode whose frames hold `10 * number + step`; step t's action is `TEXTS[t % 3]`."""
    values = (10 * number + np.arange(num_steps + 1)).astype(np.uint8)
    rewards = np.zeros(num_steps, dtype=np.float32)
    if reward_step is not None:
        rewards[reward_step] = 0.5
    last = np.arange(num_steps) == num_steps - 1
    return Episode(
        observations=np.broadcast_to(values[:, None, None, None, None], (num_steps + 1, 2, 4, 6, 3)).copy(),
        actions=tuple(TEXTS[step % 3] for step in range(num_steps)),
        rewards=rewards,
        terminated=last & ends,
        truncated=last & (not ends),
        seed=number,
        info={"layout": f"room {number}"},
    )


def write_dataset(folder: Path, *episodes: Episode) -> Dataset:
    """Writes the episodes into `folder` and opens them."""
    with DatasetWriter.open(folder, make_manifest()) as writer:
        for episode in episodes:
            writer.append(episode)
    return Dataset.open(folder)
