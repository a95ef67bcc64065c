"""Flow matching over the chunks of a segment: noise them, ask the network, compare.

Two layouts, for the two ways to sample. In a segment each round's chunk is seen once, at a noise level of its own
(diffusion forcing, arXiv 2407.01392), behind the chunks before it. In windows it is seen twice, as the first and as the
second chunk of a window, at staggered levels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wm_gym.decoder.sigmas import shift_sigma
from wm_gym.decoder.swin_config import SwinConfig, training_levels
from wm_gym.decoder.swin_pass import window_pass
from wm_gym.decoder.video_decoder import VideoDecoder

Draw = Callable[[Callable[..., Tensor], tuple[int, ...]], Tensor]
"""Random numbers of a shape, by torch.rand or torch.randn."""


@dataclass(frozen=True)
class Denoised:
    """What the network made of noisy chunks.

    Attributes:
        clean: the clean latents that it believes in.
        error: squared error of its output by latent cell, the mean over channels.
        rounds: the round of each chunk.
        counts: False for a chunk that stands where no sampler would put one.
    """

    clean: Float[Tensor, "batch chunks frames channel h w"]
    error: Float[Tensor, "batch chunks frames h w"]
    rounds: Int64[Tensor, "chunks"]
    counts: Bool[Tensor, "batch chunks"]


def denoise_segment(
    decoder: VideoDecoder,
    target: Float[Tensor, "batch rounds frames channel h w"],
    past: Float[Tensor, "batch rounds past channel h w"],
    latent_state: Float[Tensor, "batch rounds states width"],
    draw: Draw,
) -> Denoised:
    """All chunks of a segment in one chunk-causal pass, each at its own noise level.

    Args:
        decoder: the network.
        target: the clean chunks.
        past: the latent frames before each chunk, the newest last.
        latent_state: what the transition predicted for each chunk.
        draw: where chance comes from.
    """
    rounds = torch.arange(target.shape[1], device=target.device)
    sigmas = shift_sigma(draw(torch.rand, tuple(target.shape[:2])), decoder.config.shift)
    noise = draw(torch.randn, tuple(target.shape))
    noisy = _noised(target, noise, sigmas)
    output = decoder(noisy, past, sigmas, latent_state)
    counts = torch.ones_like(sigmas, dtype=torch.bool)
    return _compared(decoder, output, target, noise, noisy, past, sigmas, rounds, counts)


def denoise_windows(
    decoder: VideoDecoder,
    swin: SwinConfig,
    target: Float[Tensor, "batch rounds frames channel h w"],
    past: Float[Tensor, "batch rounds past channel h w"],
    latent_state: Float[Tensor, "batch rounds states width"],
    windows: Int64[Tensor, "windows"],
    draw: Draw,
    independent: bool = False,
) -> Denoised:
    """Windows of some rounds, each with the chunk of its round and the next one; see `training_levels`.

    The conditioning frame is the newest of a window's `past` at `condition_sigma`, and nothing is compared there.

    Args:
        decoder: the network.
        swin: the window.
        target: the clean chunks.
        past: the latent frames before each chunk, the newest last.
        latent_state: what the transition predicted for each chunk.
        windows: the round of each window.
        draw: where chance comes from.
        independent: a noise level of its own for each chunk of a window.
    """
    (batch, num_rounds), shift = target.shape[:2], decoder.config.shift
    slots = torch.stack([windows, (windows + 1).clamp(max=num_rounds - 1)], dim=1)[:, : 2 if swin.staggered else 1]
    (count, size), rounds = slots.shape, slots.flatten()
    uniform = draw(torch.rand, (batch, count, size))
    levels, counts = training_levels(uniform, windows, num_rounds, swin, shift, independent)
    clean, sigmas, before = target[:, rounds], levels.flatten(1), past[:, windows]
    noise, condition_noise = draw(torch.randn, tuple(clean.shape)), draw(torch.randn, tuple(before.shape))
    noisy = _noised(clean, noise, sigmas)
    noisy_past = (1 - swin.condition_sigma) * before + swin.condition_sigma * condition_noise
    given = (noisy, sigmas, latent_state[:, rounds])
    chunks, at, states = (value.unflatten(1, (count, size)).flatten(0, 1) for value in given)
    output = window_pass(decoder, swin, chunks, noisy_past.flatten(0, 1), at, states)
    output = output.unflatten(0, (batch, count)).flatten(1, 2)
    base = before.repeat_interleave(size, dim=1)
    return _compared(decoder, output, clean, noise, noisy, base, sigmas, rounds, counts.flatten(1))


def _noised(
    clean: Float[Tensor, "batch chunks frames channel h w"],
    noise: Float[Tensor, "batch chunks frames channel h w"],
    sigmas: Float[Tensor, "batch chunks"],
) -> Float[Tensor, "batch chunks frames channel h w"]:
    scale = sigmas[..., None, None, None, None]
    return (1 - scale) * clean + scale * noise


def _compared(
    decoder: VideoDecoder,
    output: Float[Tensor, "batch chunks frames channel h w"],
    target: Float[Tensor, "batch chunks frames channel h w"],
    noise: Float[Tensor, "batch chunks frames channel h w"],
    noisy: Float[Tensor, "batch chunks frames channel h w"],
    past: Float[Tensor, "batch chunks past channel h w"],
    sigmas: Float[Tensor, "batch chunks"],
    rounds: Int64[Tensor, "chunks"],
    counts: Bool[Tensor, "batch chunks"],
) -> Denoised:
    clean = decoder.clean(output, noisy, past, sigmas)
    velocity = decoder.config.prediction_target == "velocity"
    error = output - (noise - target) if velocity else clean - target
    return Denoised(clean=clean, error=error.pow(2).mean(dim=3), rounds=rounds, counts=counts)
