"""Pairs of observations for latent actions: which episodes train, which are held out, and what is visible in them."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture

ENCODED_AT_ONCE = 256  # observations


def is_visible(
    before: UInt8[np.ndarray, "batch chunk height width channel"],
    after: UInt8[np.ndarray, "batch chunk height width channel"],
) -> Bool[np.ndarray, " batch"]:
    """Whether a step can be seen: some frame after it differs from the last one before it."""
    visible: Bool[np.ndarray, " batch"] = (after != before[:, -1:]).any(axis=(1, 2, 3, 4))
    return visible


def hold_out(mixture: Mixture, fraction: float) -> tuple[Mixture, Mixture]:
    """Split off the last episodes of every dataset.

    Args:
        mixture: what there is.
        fraction: share of the episodes to hold out, in (0, 1), at least one of each dataset.

    Returns:
        The mixture to train on, and the one held out.

    Raises:
        DatasetError: a dataset has a single episode.
    """
    parts: tuple[list[Dataset], list[Dataset]] = ([], [])
    for dataset in mixture.datasets:
        if len(dataset) < 2:
            raise DatasetError(
                f"{dataset.folder} must hold at least 2 episodes, one of them held out, got {len(dataset)}; record more"
            )
        first = len(dataset) - min(max(round(fraction * len(dataset)), 1), len(dataset) - 1)
        for part, entries in zip(parts, (dataset.entries[:first], dataset.entries[first:]), strict=True):
            part.append(Dataset(dataset.folder, dataset.manifest, entries))
    return Mixture(tuple(parts[0])), Mixture(tuple(parts[1]))


@torch.no_grad()
def encode_observations(
    autoencoder: PatchAutoencoder, observations: UInt8[np.ndarray, "time chunk height width channel"]
) -> Float[Tensor, "time chunk latent h w"]:
    """The latents of an episode's observations, on the autoencoder's device."""
    device = next(autoencoder.parameters()).device
    parts = torch.from_numpy(observations).split(ENCODED_AT_ONCE)
    return torch.cat([autoencoder.encode(part.to(device)) for part in parts])


def visible_pairs(
    autoencoder: PatchAutoencoder, mixture: Mixture, max_pairs: int
) -> tuple[Float[Tensor, "pairs chunk latent h w"], Float[Tensor, "pairs chunk latent h w"]]:
    """The latents before and after visible steps, as many of each world.

    Raises:
        DatasetError: there are fewer than 2.
    """
    each = -(-max_pairs // len(mixture.datasets))
    befores, afters = [], []
    for dataset in mixture.datasets:
        missing = each
        for before, after in _pairs_by_episode(autoencoder, dataset):
            befores.append(before[:missing])
            afters.append(after[:missing])
            missing -= len(befores[-1])
            if missing == 0:
                break
    before, after = torch.cat(befores), torch.cat(afters)
    if len(before) < 2:
        folders = ", ".join(str(dataset.folder) for dataset in mixture.datasets)
        raise DatasetError(
            f"the held-out episodes of {folders} must show at least 2 changes of the picture, got {len(before)}; "
            "record more episodes"
        )
    return before, after


def _pairs_by_episode(autoencoder: PatchAutoencoder, dataset: Dataset) -> Iterator[tuple[Tensor, Tensor]]:
    for episode in dataset:
        visible = torch.from_numpy(is_visible(episode.observations[:-1], episode.observations[1:]))
        latents = encode_observations(autoencoder, episode.observations)
        rows = visible.nonzero()[:, 0].to(latents.device)
        yield latents[rows], latents[rows + 1]
