"""Random windows for random decoders."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tests.decoder.decoders import LATENT_CHANNELS, LATENT_SIZE, NUM_STATES, STATE_WIDTH
from wm_gym.decoder.video_decoder import VideoDecoder


@dataclass(frozen=True)
class Windows:
    """Inputs of `window_pass`, and clean frames before each."""

    noisy: Float[Tensor, "n chunks frames channel h w"]
    noisy_past: Float[Tensor, "n past channel h w"]
    sigmas: Float[Tensor, "n chunks"]
    latent_state: Float[Tensor, "n chunks states width"]


def random_windows(decoder: VideoDecoder, n: int = 2, seed: int = 0) -> Windows:
    """Windows of two chunks in the decoder's dtype, each at random noise levels."""
    generator, dtype = torch.Generator().manual_seed(seed), next(decoder.parameters()).dtype
    frame = (LATENT_CHANNELS, *LATENT_SIZE)
    shapes = (
        (n, 2, decoder.config.chunk_frames, *frame),
        (n, decoder.config.past_frames, *frame),
        (n, 2),
        (n, 2, NUM_STATES, STATE_WIDTH),
    )
    noisy, past, sigmas, state = (torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes)
    return Windows(noisy, past, sigmas.sigmoid(), state)


@dataclass(frozen=True)
class Script:
    """What chunks are drawn from, one after the other."""

    past: Float[Tensor, "chunks n past channel h w"]
    latent_state: Float[Tensor, "chunks n states width"]
    noise: Float[Tensor, "chunks n frames channel h w"]
    condition_noise: Float[Tensor, "chunks n past channel h w"]

    def chunk(self, number: int, *rows: int) -> dict[str, Tensor]:
        """The arguments of `sample_swin_chunk` for one chunk, of some worlds."""
        index = list(rows) or list(range(self.past.shape[1]))
        names = ("past", "latent_state", "noise", "condition_noise")
        return {name: getattr(self, name)[number][index] for name in names}


def random_script(decoder: VideoDecoder, num_chunks: int = 3, n: int = 2, seed: int = 0) -> Script:
    """Random inputs in the decoder's dtype; the past of a chunk need not be the chunk before it."""
    generator, dtype = torch.Generator().manual_seed(seed), next(decoder.parameters()).dtype
    frame, config = (LATENT_CHANNELS, *LATENT_SIZE), decoder.config
    shapes = (
        (num_chunks, n, config.past_frames, *frame),
        (num_chunks, n, NUM_STATES, STATE_WIDTH),
        (num_chunks, n, config.chunk_frames, *frame),
        (num_chunks, n, config.past_frames, *frame),
    )
    return Script(*(torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes))
