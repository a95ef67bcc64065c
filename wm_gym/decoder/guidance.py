"""Classifier-free guidance on the action and on the latent state, each with a scale of its own a step.

With D the clean latents that the decoder predicts from the whole latent state, from one whose action is unknown, and
from none: D() + state (D(s) - D()) + action (D(s, a) - D(s)) (Ho and Salimans, arXiv 2207.12598; two scales after
InstructPix2Pix, arXiv 2211.09800). For a fixed noise level clean latents and velocity are affine in each other, so it
is the same as guiding the velocity.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.video_decoder import VideoDecoder


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Scales of one step; 1 is off, more exaggerates what the action or the state changes.

    Attributes:
        action_scale: how far the action counts against an unknown one.
        state_scale: how far the latent state counts against none.

    Raises:
        ValueError: a scale below 0 or not finite.
    """

    action_scale: float = 1.0
    state_scale: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("action_scale", "state_scale"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}; 1 is off")

    @property
    def weights(self) -> tuple[float, float, float]:
        """Of the predictions with state and action, with an unknown action, and without a latent state; sum 1."""
        return self.action_scale, self.state_scale - self.action_scale, 1 - self.state_scale


@dataclass(frozen=True, kw_only=True)
class Condition:
    """What one prediction is made from.

    Attributes:
        weight: of the prediction; those of all conditions sum up to 1.
        past: what memory shows of the chunk, and the clean latent frames before it, the newest last.
        latent_state: what the transition predicted.
    """

    weight: float
    past: Float[Tensor, "batch past channel h w"]
    latent_state: Float[Tensor, "batch states width"]


def sample_weighted_chunk(
    decoder: VideoDecoder,
    cache: ChunkCache,
    conditions: Sequence[Condition],
    noise: Float[Tensor, "batch frames channel h w"],
    sigmas: Sequence[float],
) -> Float[Tensor, "batch frames channel h w"]:
    """Denoise one chunk under weighted conditions; with one of weight 1 it is `sample_chunk`.

    Args:
        decoder: the network.
        cache: past chunks; not changed.
        conditions: one decoder call a step each.
        noise: initial noise, already scaled by the temperature.
        sigmas: schedule from 1 to 0.

    Returns:
        Clean latents.
    """
    noisy, clean = noise, noise
    for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
        level = torch.full((len(noise),), sigma, device=noise.device, dtype=noise.dtype)
        outputs = [decoder.step(cache, noisy, each.past, level, each.latent_state)[0] for each in conditions]
        drawn = [
            each.weight * decoder.clean(output, noisy, each.past, level)
            for each, output in zip(conditions, outputs, strict=True)
        ]
        clean = torch.stack(drawn).sum(dim=0)
        noisy = clean + (next_sigma / sigma) * (noisy - clean)
    return clean
