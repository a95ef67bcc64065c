"""Sampling a chunk by Causal Swin-DPM, one action at a time.

In a window that slides over a known script, the second chunk is half clean when the first one leaves. An env knows no
script: the action of chunk n + 1 comes when chunk n is finished and seen, and a chunk that was half denoised under
another action would have to be thrown away. PAN's way out (arXiv 2511.09057, section 3.3.4), and the one taken here: a
chunk never sees the one after it, so chunk n goes to clean alone, and what it looked like on its second half is kept.
Once the action is there, chunk n + 1 starts from fresh noise. Its first half replays chunk n from the cache, level for
level as if they had been denoised together (behind the conditioning frame of chunk n); its second half has left chunk n
behind and sees the last frame of it, noised by `condition_sigma`. That frame is decoded and encoded again, as all
history is. So a step always returns a finished chunk, no half-denoised chunk waits in the state, and nothing was drawn
under another action than its own. The price: nothing is computed ahead, each chunk takes all denoising steps.

A world's first chunk has no chunk beside it and goes all the way behind its conditioning frame.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.decoder.swin_pass import slot_pass
from wm_gym.decoder.swin_window import SwinWindow
from wm_gym.decoder.video_decoder import VideoDecoder


def sample_swin_chunk(
    decoder: VideoDecoder,
    swin: SwinConfig,
    window: SwinWindow,
    past: Float[Tensor, "batch past channel h w"],
    latent_state: Float[Tensor, "batch states width"],
    noise: Float[Tensor, "batch frames channel h w"],
    condition_noise: Float[Tensor, "batch past channel h w"],
    sigmas: Sequence[float],
) -> tuple[Float[Tensor, "batch frames channel h w"], SwinWindow]:
    """Denoise one chunk of each world, whether it is its first or not.

    Args:
        decoder: the network.
        swin: how its window is run.
        window: the last chunk; not changed.
        past: the clean latent frames before the chunk, the newest last.
        latent_state: what the transition predicted.
        noise: initial noise of the chunk, already scaled by the temperature.
        condition_noise: standard normal noise for `past`.
        sigmas: schedule from 1 to 0 with an even number of steps, see `swin_sigmas`.

    Returns:
        Clean latents and the window with this chunk in it.
    """
    half = (len(sigmas) - 1) // 2
    noisy_past = (1 - swin.condition_sigma) * past + swin.condition_sigma * condition_noise
    beside = window.chunks > 0
    rows = beside[:, None, None, None, None]
    noisy, clean, written = noise, noise, []
    for number, (sigma, next_sigma) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
        level = torch.full((len(noise),), sigma, device=noise.device, dtype=noise.dtype)
        if swin.staggered and number < half:
            base, shown = torch.where(rows, window.past, past), torch.where(rows, window.noisy_past, noisy_past)
            cache = window.at(number, half)
            output, _ = slot_pass(decoder, swin, noisy, noisy_past, shown, level, latent_state, cache, beside)
        else:
            base = past
            output, layers = slot_pass(decoder, swin, noisy, noisy_past, noisy_past, level, latent_state)
            written.append(layers)
        clean = decoder.clean(output, noisy, base, level)
        noisy = clean + (next_sigma / sigma) * (noisy - clean)
    keys, values = _kept(written[-half:], window)
    return clean, SwinWindow(keys, values, torch.ones_like(window.chunks), past, noisy_past)


def _kept(
    written: Sequence[list[tuple[Tensor, Tensor]]], window: SwinWindow
) -> tuple[
    Float[Tensor, "batch levels layers tokens heads head_dim"],
    Float[Tensor, "batch levels layers tokens heads head_dim"],
]:
    """Keys and values of as many steps as a window keeps."""
    if not window.num_levels:
        return window.keys, window.values
    chosen = [written[level * len(written) // window.num_levels] for level in range(window.num_levels)]
    keys, values = (
        torch.stack([torch.stack([layer[part] for layer in step], dim=1) for step in chosen], dim=1) for part in (0, 1)
    )
    return keys, values
