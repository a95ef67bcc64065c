"""Whether a trained autoencoder can show another world.

Plain PSNR is ruled by background, and small things vanish while it looks fine. So every distinct patch counts once,
however often it occurs, as in the loss of the autoencoder's stage.
"""

import math

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.dataset import Dataset
from wm_gym.training.autoencoder_stage import patch_weights

LEAST_PSNR = 30.0  # dB
MOST_PSNR = 100.0  # what equal frames are given, in dB
NUM_FRAMES = 64


def reconstruction_psnr(autoencoder: PatchAutoencoder, dataset: Dataset) -> float:
    """PSNR in dB, at most 100, of frames spread over a dataset after encoding and decoding."""
    frames = _spread_frames(dataset).to(autoencoder.device)
    with torch.no_grad():
        shown = autoencoder.decode(autoencoder.encode(frames))
    error = (shown.float() - frames.float()).div(255).pow(2).mean(dim=-1)
    patches = torch.nn.functional.avg_pool2d(error[:, None], autoencoder.patch_size)[:, 0]
    mean = float((patch_weights(frames, autoencoder.patch_size) * patches).mean())
    return min(-10 * math.log10(max(mean, 1e-12)), MOST_PSNR)


def _spread_frames(dataset: Dataset) -> UInt8[Tensor, "n height width 3"]:
    """Up to `NUM_FRAMES` frames: the last of random observations, from episodes spread over the dataset."""
    rng = np.random.default_rng(0)
    episodes = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), NUM_FRAMES // 4)).astype(int))
    frames = []
    for index in episodes.tolist():
        observations = dataset[index].observations
        chosen = rng.choice(len(observations), size=min(4, len(observations)), replace=False)
        frames.append(observations[np.sort(chosen), -1])
    return torch.from_numpy(np.concatenate(frames))
