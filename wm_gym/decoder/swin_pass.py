"""Passes of the decoder over a window: a conditioning frame and one or two chunks, chunk-wise causal.

Places in time count from the window's start: the conditioning frame at 0, then the chunks. Whether they start anew when
the window moves, which the paper does not say, makes no difference: RoPE knows distances alone, and the conditioning
frame is the last frame of the chunk that left, so that all places move by the same. Each pass therefore numbers them as
is handy. The conditioning frame reads the latent state of the chunk behind it.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache, ChunkContext, Rotary
from wm_gym.decoder.swin_config import ConditionSees, SwinConfig
from wm_gym.decoder.video_decoder import VideoDecoder


def window_mask(
    frame_tokens: int, chunk_tokens: int, num_chunks: int, sees: ConditionSees, device: torch.device
) -> Bool[Tensor, "1 1 tokens tokens"]:
    """True where a query sees a key: a chunk sees itself and all before it, the conditioning frame what `sees` says."""
    chunks = torch.arange(1, num_chunks + 1, device=device).repeat_interleave(chunk_tokens)
    place = torch.cat([torch.zeros(frame_tokens, dtype=chunks.dtype, device=device), chunks])
    seen = place[:, None] >= place[None, :]
    if sees == "first_chunk":
        seen = seen | (place[:, None] == 0) & (place[None, :] == 1)
    return seen[None, None]


def slot_mask(
    frame_tokens: int, chunk_tokens: int, sees: ConditionSees, beside: Bool[Tensor, "batch"]
) -> Bool[Tensor, "batch 1 queries keys"]:
    """Who sees whom where a conditioning frame and its chunk are computed after a cached conditioning frame and chunk.

    A world whose chunk is `beside` the cached one sees these two and itself; another its own conditioning frame.
    """
    own = window_mask(frame_tokens, chunk_tokens, 1, sees, beside.device)[0, 0]
    is_chunk = torch.arange(len(own), device=beside.device) >= frame_tokens
    cached = (beside[:, None] & is_chunk)[:, :, None].expand(-1, -1, len(own))
    hidden = beside[:, None, None] & is_chunk[:, None] & ~is_chunk[None, :]
    return torch.cat([cached, own & ~hidden], dim=2)[:, None]


def window_pass(
    decoder: VideoDecoder,
    swin: SwinConfig,
    noisy: Float[Tensor, "n chunks frames channel h w"],
    noisy_past: Float[Tensor, "n past channel h w"],
    sigmas: Float[Tensor, "n chunks"],
    latent_state: Float[Tensor, "n chunks states width"],
) -> Float[Tensor, "n chunks frames channel h w"]:
    """The network's output for the chunks of windows in one masked pass.

    Args:
        decoder: the network.
        swin: the window.
        noisy: the chunks, each at its noise level.
        noisy_past: the frames before the first chunk at `condition_sigma`, the newest last: that is the conditioning
            frame, and where the network takes past frames on channels, all of them are these of every chunk.
        sigmas: noise level of each chunk.
        latent_state: what the transition predicted for each chunk.
    """
    chunks, frame, chunk = sigmas.shape[1], decoder.frame_tokens, decoder.chunk_tokens
    context = ChunkContext(
        num_chunks=chunks,
        lengths=(frame + chunk, *[chunk] * (chunks - 1)),
        mask=window_mask(frame, chunk, chunks, swin.condition_sees, noisy.device),
    )
    output = decoder.run(
        context,
        torch.cat([noisy_past[:, -1:], noisy.flatten(1, 2)], dim=1),
        noisy_past[:, None],
        _levels(decoder, swin, sigmas),
        latent_state.flatten(1, 2),
    )
    return output[:, 1:].unflatten(1, (chunks, -1))


def slot_pass(
    decoder: VideoDecoder,
    swin: SwinConfig,
    noisy: Float[Tensor, "n frames channel h w"],
    noisy_past: Float[Tensor, "n past channel h w"],
    shown: Float[Tensor, "n past channel h w"],
    sigma: Float[Tensor, "n"],
    latent_state: Float[Tensor, "n states width"],
    cache: ChunkCache | None = None,
    beside: Bool[Tensor, "n"] | None = None,
) -> tuple[Float[Tensor, "n frames channel h w"], list[tuple[Tensor, Tensor]]]:
    """The network's output for one chunk behind its conditioning frame, or beside a cached chunk.

    Args:
        decoder: the network.
        swin: the window.
        noisy: the chunk.
        noisy_past: the frames before the chunk at `condition_sigma`; the newest is its conditioning frame.
        shown: what the network takes on channels: `noisy_past`, or the past of the cached chunk for one beside it.
        sigma: the chunk's noise level.
        latent_state: what the transition predicted for it.
        cache: keys and values of the cached conditioning frame and chunk, layer by layer.
        beside: the worlds whose chunk is beside the cached one.

    Returns:
        The output, and the keys (before RoPE) and values of conditioning frame and chunk, layer by layer.
    """
    frame, chunk = decoder.frame_tokens, decoder.chunk_tokens
    if cache is None or beside is None:
        mask = window_mask(frame, chunk, 1, swin.condition_sees, noisy.device)
        context = ChunkContext(num_chunks=1, mask=mask)
    else:
        mask = slot_mask(frame, chunk, swin.condition_sees, beside)
        context = ChunkContext(num_chunks=1, mask=mask, rotary=_slot_rotary(decoder, noisy), cache=cache)
    frames = torch.cat([noisy_past[:, -1:], noisy], dim=1)
    levels = _levels(decoder, swin, sigma[:, None])
    output = decoder.run(context, frames, shown[:, None], levels, latent_state)
    return output[:, 1:], context.written


def _levels(decoder: VideoDecoder, swin: SwinConfig, sigmas: Float[Tensor, "n chunks"]) -> Float[Tensor, "n tokens"]:
    condition = sigmas.new_full((len(sigmas), decoder.frame_tokens), swin.condition_sigma)
    return torch.cat([condition, sigmas.repeat_interleave(decoder.chunk_tokens, dim=1)], dim=1)


def _slot_rotary(decoder: VideoDecoder, like: Tensor) -> Rotary:
    """Places of a cached conditioning frame and chunk, and of the present ones: a frame is in both, in one place."""
    chunk_frames, frame = decoder.config.chunk_frames, decoder.frame_tokens
    cos, sin = decoder.rotary(like, 2 * chunk_frames + 1)
    now = chunk_frames * frame
    return tuple(torch.cat([table[:, : now + frame], table[:, now:]], dim=1) for table in (cos, sin))  # type: ignore[return-value]
