"""Sampling a chunk: Euler steps of the flow-matching ODE from noise to clean latents; and keeping it for later ones."""

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
) -> Float[Tensor, "batch frames channel h w"]:
    """Denoise one chunk behind the finished ones of a cache.

    Args:
        decoder: the network.
        cache: past chunks; not changed.
        past: what memory shows of the chunk, and the clean latent frames before it, the newest last.
        latent_state: what the transition predicted.
        noise: initial noise, already scaled by the temperature.
        sigmas: schedule from 1 to 0, see `sampling_sigmas`.

    Returns:
        Clean latents; `write_chunk` puts them into the cache.
    """
    noisy, clean = noise, noise
    for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
        level = torch.full((len(noise),), sigma, device=noise.device, dtype=noise.dtype)
        output, _ = decoder.step(cache, noisy, past, level, latent_state)
        clean = decoder.clean(output, noisy, past, level)
        noisy = clean + (next_sigma / sigma) * (noisy - clean)
    return clean


def write_chunk(
    decoder: VideoDecoder,
    cache: ChunkCache,
    latents: Float[Tensor, "batch frames channel h w"],
    past: Float[Tensor, "batch past channel h w"],
    latent_state: Float[Tensor, "batch states width"],
) -> ChunkCache:
    """The cache with a finished chunk in it, seen without noise; a pass of its own, where there is a cache.

    Args:
        decoder: the network.
        cache: past chunks; not changed.
        latents: the chunk, as it is after decoding and encoding.
        past: what memory shows of the chunk, and the clean latent frames before it, the newest last.
        latent_state: what the transition predicted.
    """
    if not cache.keys.shape[2]:  # a window of one chunk has no past
        return cache
    _, written = decoder.step(cache, latents, past, latents.new_zeros(len(latents)), latent_state)
    return written
