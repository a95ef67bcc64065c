"""Sampling a chunk with classifier-free guidance, and writing a finished chunk into the decoder's cache."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.pan.wan_decoder import Conditions, WanDecoder


def sample_guided_chunk(
    decoder: WanDecoder,
    cache: ChunkCache,
    conditions: Conditions,
    unconditional: Conditions,
    noise: Float[Tensor, "batch frames channel h w"],
    sigmas: Sequence[float],
    guidance_scale: float,
) -> Float[Tensor, "batch frames channel h w"]:
    """Clean latents of the next chunk, by Euler steps of the flow-matching ODE.

    The velocity is v_u + guidance_scale (v_c - v_u) (Ho and Salimans, arXiv 2207.12598); both see the same past.

    Args:
        decoder: the network.
        cache: past chunks; not changed.
        conditions: of the action.
        unconditional: of no action.
        noise: initial noise, already scaled by the temperature.
        sigmas: schedule from 1 to 0.
        guidance_scale: 1 runs the decoder once a step instead of twice.
    """
    noisy = noise
    for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
        level = torch.full((len(noise),), sigma, device=noise.device, dtype=noise.dtype)
        velocity, _ = decoder.step(cache, noisy, level, conditions)
        if guidance_scale != 1:
            without, _ = decoder.step(cache, noisy, level, unconditional)
            velocity = without + guidance_scale * (velocity - without)
        noisy = noisy + (next_sigma - sigma) * velocity
    return noisy


def write_chunk(
    decoder: WanDecoder,
    cache: ChunkCache,
    conditions: Conditions,
    latents: Float[Tensor, "batch frames channel h w"],
    noise: Float[Tensor, "batch frames channel h w"],
    context_sigma: float,
) -> ChunkCache:
    """The cache with a finished chunk in it, seen at the noise level `context_sigma` (PAN: 0.055, section 3.3.5)."""
    level = torch.full((len(latents),), context_sigma, device=latents.device, dtype=latents.dtype)
    _, written = decoder.step(cache, (1 - context_sigma) * latents + context_sigma * noise, level, conditions)
    return written
