"""The stages around the decoder, with random weights: the autoencoder, the transition's language model, the copy."""

from functools import partial
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from torch import Tensor

from benchmarks.gpu_ring_decoder import fuse_norms
from benchmarks.gpu_shapes import ChunkShape
from benchmarks.gpu_timing import Rows, attempt, born, timed

STAGES = {"transition", "autoencoder", "copy"}


def measure_stages(shape: ChunkShape, device: torch.device, dtype: torch.dtype) -> Rows:
    """A row for each stage, two for the autoencoder; one that fails says why."""
    with born(device, dtype):
        ways = {"diffusers": False, "kernels": True}
        decoding = {way: attempt(partial(decode_chunk, shape, fused)) for way, fused in ways.items()}
        language = attempt(partial(language_round, shape, device))
    return [
        *({"stage": "autoencoder", "way": way, **row} for way, row in decoding.items()),
        {"stage": "copy", "way": "pinned", **attempt(partial(copy_frames, shape, device))},
        {"stage": "transition", "way": "language model", **language},
    ]


def copy_frames(shape: ChunkShape, device: torch.device) -> dict[str, float]:
    """A chunk's frames, from the device to pinned memory."""
    size = [8 * side for side in shape.latent_size]
    frames = torch.zeros(1, 4 * shape.chunk_frames, *size, 3, dtype=torch.uint8, device=device)
    host = torch.empty(frames.shape, dtype=torch.uint8, pin_memory=device.type == "cuda")
    return timed(lambda: host.copy_(frames), device)


def decode_chunk(shape: ChunkShape, fused: bool) -> dict[str, float]:
    """A chunk of latents through the streaming decoder, behind a first one; norms by the kernels if `fused`."""
    autoencoder: Any = AutoencoderKLWan(**shape.autoencoder).eval()
    if fused:
        fuse_norms(autoencoder)
    weight = next(autoencoder.parameters())
    size = (1, autoencoder.config.z_dim, shape.chunk_frames, *shape.latent_size)
    latents = torch.randn(size, device=weight.device, dtype=weight.dtype)
    layers = sum(type(module).__name__ == "WanCausalConv3d" for module in autoencoder.decoder.modules())
    state: list[Any] = [None] * layers

    @torch.no_grad()
    def decode(first: bool = False) -> Tensor:
        part = autoencoder.post_quant_conv(latents[:, :, :1] if first else latents)
        frames: Tensor = autoencoder.decoder(part, feat_cache=state, feat_idx=[0], first_chunk=first)
        return ((frames.clamp(-1, 1) + 1) * 127.5).to(torch.uint8)

    decode(first=True)
    return timed(decode, weight.device)


def language_round(shape: ChunkShape, device: torch.device) -> dict[str, float]:
    """A round of the transition: all its tokens in one pass over the cache of the rounds before."""
    from transformers import DynamicCache, Qwen2Config, Qwen2Model

    model = Qwen2Model(Qwen2Config(**shape.language)).eval()
    width, kind = shape.language["hidden_size"], {"device": device, "dtype": model.dtype}
    past = torch.randn(1, shape.language_past, width, **kind)
    tokens = torch.randn(1, shape.language_tokens, width, **kind)
    with torch.no_grad():
        cache = model(inputs_embeds=past, past_key_values=DynamicCache()).past_key_values

    @torch.no_grad()
    def step() -> None:
        model(inputs_embeds=tokens, past_key_values=cache)
        cache.crop(-shape.language_tokens)

    return timed(step, device)
