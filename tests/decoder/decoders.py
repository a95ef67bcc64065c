"""Small decoders with random weights, and random inputs for them."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.video_decoder import InputChannels, PredictionTarget, VideoDecoder, VideoDecoderConfig

LATENT_CHANNELS, LATENT_SIZE = 4, (4, 6)
STATE_WIDTH, NUM_STATES = 12, 3
TRANSFORMER: dict[str, Any] = {
    "patch_size": (1, 2, 2),
    "num_attention_heads": 2,
    "attention_head_dim": 12,
    "text_dim": STATE_WIDTH,
    "freq_dim": 16,
    "ffn_dim": 32,
    "num_layers": 2,
    "cross_attn_norm": True,
    "qk_norm": "rms_norm_across_heads",
    "rope_max_seq_len": 32,
}


def random_decoder(
    window_chunks: int = 1,
    chunk_frames: int = 1,
    prediction_target: PredictionTarget = "residual",
    input_channels: tuple[InputChannels, ...] = ("noisy", "last", "position"),
    dtype: torch.dtype = torch.float32,
    past_frames: int = 1,
) -> VideoDecoder:
    """A decoder whose every parameter is random, norms and biases too; equal arguments give equal weights."""
    config = VideoDecoderConfig(
        latent_channels=LATENT_CHANNELS,
        latent_size=LATENT_SIZE,
        chunk_frames=chunk_frames,
        window_chunks=window_chunks,
        past_frames=past_frames,
        input_channels=input_channels,
        prediction_target=prediction_target,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = VideoDecoder(config, TRANSFORMER)
        scatter(decoder)
    decoder = decoder.to(dtype).eval()
    if dtype == torch.float64:
        make_rotary_exact(decoder)
    return decoder


@torch.no_grad()
def scatter(module: torch.nn.Module) -> None:
    """Moves every parameter by noise: libraries initialise norms to 1 and biases to 0, which would hide mistakes."""
    for parameter in module.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))


def make_rotary_exact(decoder: VideoDecoder) -> None:
    """Puts float64 tables in place of diffusers' float32 ones.

    Their rounding makes R(p) R(d) differ from R(p + d) by 3e-8, so that keys rotated for their place in the window and
    for their place in the sequence differ by some 1e-7 whatever the dtype of the rest.
    """
    rope = decoder.transformer.rope
    angles = []
    for size in (rope.t_dim, rope.h_dim, rope.w_dim):
        frequencies = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        positions = torch.arange(rope.max_seq_len, dtype=torch.float64)
        angles.append(torch.outer(positions, frequencies).repeat_interleave(2, dim=1))
    rope.freqs_cos, rope.freqs_sin = torch.cat(angles, dim=1).cos(), torch.cat(angles, dim=1).sin()


@dataclass(frozen=True)
class Segment:
    """Inputs of `VideoDecoder.forward`."""

    noisy: Float[Tensor, "batch chunks frames channel h w"]
    past: Float[Tensor, "batch chunks past channel h w"]
    sigmas: Float[Tensor, "batch chunks"]
    latent_state: Float[Tensor, "batch chunks states width"]

    def rows(self, *rows: int) -> "Segment":
        """The worlds `rows`."""
        index = list(rows)
        return Segment(self.noisy[index], self.past[index], self.sigmas[index], self.latent_state[index])

    def chunks(self, *numbers: int) -> "Segment":
        """The chunks `numbers`, in that order."""
        index = list(numbers)
        return Segment(self.noisy[:, index], self.past[:, index], self.sigmas[:, index], self.latent_state[:, index])

    def chunk(self, number: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The arguments of `VideoDecoder.step` for one chunk, without the cache."""
        return self.noisy[:, number], self.past[:, number], self.sigmas[:, number], self.latent_state[:, number]


def random_segment(decoder: VideoDecoder, batch_size: int, num_chunks: int, seed: int = 0) -> Segment:
    """Random inputs in the decoder's dtype."""
    generator = torch.Generator().manual_seed(seed)
    frame = (LATENT_CHANNELS, *LATENT_SIZE)
    shapes = (
        (batch_size, num_chunks, decoder.config.chunk_frames, *frame),
        (batch_size, num_chunks, decoder.config.past_frames, *frame),
        (batch_size, num_chunks),
        (batch_size, num_chunks, NUM_STATES, STATE_WIDTH),
    )
    dtype = next(decoder.parameters()).dtype
    noisy, past, sigmas, latent_state = (torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    return Segment(noisy, past, sigmas.sigmoid(), latent_state)


@torch.no_grad()
def full_pass(decoder: VideoDecoder, segment: Segment) -> Tensor:
    """The output for all chunks in one masked pass."""
    output: Tensor = decoder(segment.noisy, segment.past, segment.sigmas, segment.latent_state)
    return output


@torch.no_grad()
def chunk_by_chunk(decoder: VideoDecoder, segment: Segment) -> Tensor:
    """The output for all chunks, one after the other on the cache."""
    cache, outputs = decoder.empty_cache(len(segment.noisy)), []
    for number in range(segment.noisy.shape[1]):
        output, cache = decoder.step(cache, *segment.chunk(number))
        outputs.append(output)
    return torch.stack(outputs, dim=1)
