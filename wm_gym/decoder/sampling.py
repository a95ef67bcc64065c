"""Sampling a chunk: Euler steps of the flow-matching ODE from noise to clean latents."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.video_decoder import VideoDecoder


def sample_chunk(
    decoder: VideoDecoder,
    cache: ChunkCache,
    past: Float[Tensor, "batch past channel h w"],
    latent_state: Float[Tensor, "batch states width"],
    noise: Float[Tensor, "batch frames channel h w"],
    sigmas: Sequence[float],
) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkCache]:
    """Denoise one chunk; the cache keeps the keys and values of the last denoising step, so no extra pass writes them.

    Args:
        decoder: the network.
        cache: past chunks; not changed.
        past: what memory shows of the chunk, and the clean latent frames before it, the newest last.
        latent_state: what the transition predicted.
        noise: initial noise, already scaled by the temperature.
        sigmas: schedule from 1 to 0, see `sampling_sigmas`.

    Returns:
        Clean latents and the cache with this chunk in it.
    """
    noisy, clean, written = noise, noise, cache
    for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
        level = torch.full((len(noise),), sigma, device=noise.device, dtype=noise.dtype)
        output, written = decoder.step(cache, noisy, past, level, latent_state)
        clean = decoder.clean(output, noisy, past, level)
        noisy = clean + (next_sigma / sigma) * (noisy - clean)
    return clean, written
