"""What a memory holds at the start of a training segment: the rounds before it, of the same episode.

The autoencoder is frozen by then, so every episode is encoded once and its latents are kept.
"""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.cache_limit import CacheLimit
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import MixtureSampler

_FRAMES = 64  # encoded at once


@dataclass(frozen=True, kw_only=True, eq=False)
class EarlierRounds:
    """The last `slots` rounds before each segment of a batch, the newest on the right; zeros where there were none.

    Attributes:
        latents: what was seen.
        actions: indices into the mixture's `action_texts`; 0 in empty slots, and where the action was numbers.
        controls: the numbers of numeric actions, scaled to [-1, 1]; NaN elsewhere.
        rounds: all rounds of the episode before the segment; in a longer past, more than the slots.
    """

    latents: Float[Tensor, "batch slots frames channel h w"]
    actions: Int64[np.ndarray, "batch slots"]
    controls: Float32[np.ndarray, "batch slots numbers"]
    rounds: Int64[Tensor, "batch"]


@dataclass(frozen=True, kw_only=True, eq=False)
class _EncodedEpisode:
    latents: Float[Tensor, "time frames channel h w"]
    actions: Int64[np.ndarray, "time-1"]
    controls: Float32[np.ndarray, "time-1 numbers"]

    @property
    def num_bytes(self) -> int:
        return self.latents.nbytes + self.actions.nbytes + self.controls.nbytes


class EarlierRoundsSampler:
    """Looks up the rounds before the segments that a `MixtureSampler` draws."""

    def __init__(
        self, sampler: MixtureSampler, autoencoder: PatchAutoencoder, slots: int, *, cache_bytes: int = 2 * 10**9
    ) -> None:
        """Reads nothing yet.

        Args:
            sampler: draws the segments.
            autoencoder: the frozen one of the model.
            slots: rounds that the memory holds.
            cache_bytes: RAM for encoded episodes, at most; beyond it, or where memory is short, the least recently used
                one is dropped.
        """
        self._sampler = sampler
        self._autoencoder = autoencoder
        self._slots = slots
        self._limit = CacheLimit(cache_bytes)
        self._cached_bytes = 0
        self._cache: OrderedDict[tuple[int, int], _EncodedEpisode] = OrderedDict()
        self._rows = {text: row for row, text in enumerate(sampler.mixture.action_texts)}

    def before(self, iteration: int) -> EarlierRounds:
        """The rounds before each segment of `sampler.sample(iteration)`, in its order.

        Raises:
            DatasetError: when an episode's file is missing or corrupt.
        """
        drawn: list[tuple[int, int, int]] = []  # world, episode, first step
        for world, sampler in enumerate(self._sampler.samplers):
            starts = sampler.starts(iteration)
            drawn += [(world, *starts[row]) for row in sampler.rows]
        device = next(self._autoencoder.parameters()).device
        latents, actions, controls = [], [], []
        for world, index, start in drawn:
            episode = self._encoded(world, index)
            past = slice(max(start - self._slots, 0), start)
            missing = self._slots - (past.stop - past.start)
            latents.append(torch.nn.functional.pad(episode.latents[past], (0,) * 8 + (missing, 0)))
            actions.append(np.pad(episode.actions[past], (missing, 0)))
            controls.append(np.pad(episode.controls[past], ((missing, 0), (0, 0)), constant_values=np.nan))
        return EarlierRounds(
            latents=torch.stack(latents).to(device),
            actions=np.stack(actions),
            controls=np.stack(controls),
            rounds=torch.tensor([start for _, _, start in drawn], device=device),
        )

    def _encoded(self, world: int, index: int) -> _EncodedEpisode:
        if (world, index) in self._cache:
            self._cache.move_to_end((world, index))
            return self._cache[world, index]
        mixture = self._sampler.mixture
        episode = self._encode(mixture.datasets[world], index, mixture.max_controls)
        self._cache[world, index] = episode
        self._cached_bytes += episode.num_bytes
        limit = self._limit(self._cached_bytes)
        while self._cached_bytes > limit and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].num_bytes
        return episode

    @torch.no_grad()
    def _encode(self, dataset: Dataset, index: int, num_controls: int) -> _EncodedEpisode:
        episode, manifest = dataset[index], dataset.manifest
        device = next(self._autoencoder.parameters()).device
        frames = torch.from_numpy(episode.observations).split(_FRAMES)
        latents = torch.cat([self._autoencoder.encode(part.to(device)).cpu() for part in frames])
        controls = np.full((episode.num_steps, num_controls), np.nan, dtype=np.float32)
        if episode.controls is not None:
            controls[:, : len(manifest.control_low)] = manifest.scaled(episode.controls)
        numeric = np.isfinite(controls).any(axis=1)
        texts = np.array([self._rows[text] for text in episode.actions], dtype=np.int64)
        return _EncodedEpisode(latents=latents, actions=np.where(numeric, 0, texts), controls=controls)
