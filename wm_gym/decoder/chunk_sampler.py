"""The ways to sample the chunks of a world one after the other, behind one face.

"autoregressive": each chunk is denoised from noise to clean behind finished chunks, as in self-forcing (arXiv
2506.08009): attention sees those of the window as they are after decoding and encoding, without noise. "swin": Causal
Swin-DPM, where the chunk before is noisy for the first half of the way. Both run the same weights; which of them suits
weights depends on their training, and `VideoDecoderConfig.swin` says it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.guidance import Condition, sample_weighted_chunk
from wm_gym.decoder.sampling import sample_chunk, write_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.decoder.swin_config import SwinConfig, swin_sigmas
from wm_gym.decoder.swin_sampling import sample_swin_chunk
from wm_gym.decoder.swin_window import SwinWindow
from wm_gym.decoder.video_decoder import VideoDecoder

ChunkSampling = Literal["autoregressive", "swin"]


@dataclass(frozen=True)
class ChunkHistory:
    """What a sampler carries from chunk to chunk, the batch first in every tensor.

    Attributes:
        cache: finished chunks.
        streams: what a sampler keeps beside that, by name.
    """

    cache: ChunkCache
    streams: Mapping[str, Tensor] = field(default_factory=dict)


@runtime_checkable
class ChunkSampler(Protocol):
    """Draws the chunks of a world."""

    @property
    def takes_guidance(self) -> bool:
        """Whether `draw_guided` takes it."""
        ...

    @property
    def num_noise_frames(self) -> int:
        """Latent frames of noise that a chunk takes."""
        ...

    def num_steps(self, default: int) -> int:
        """The decoder calls of a chunk where nobody names a number: `default`, or the next that can be used."""
        ...

    def sigmas(self, num_denoising_steps: int) -> list[float]:
        """The schedule from 1 to 0.

        Raises:
            ValueError: not so many steps.
        """
        ...

    def begin(self, batch_size: int) -> ChunkHistory:
        """The history before a world's first chunk."""
        ...

    def draw(
        self,
        history: ChunkHistory,
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
        noise: Float[Tensor, "batch noise_frames channel h w"],
        temperature: float,
        sigmas: list[float],
    ) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkHistory]:
        """Clean latents of the next chunk, and the history that `write` takes; the one given stays as it is.

        Args:
            history: past chunks.
            past: what memory shows of the chunk, and the clean latent frames before it, the newest last.
            latent_state: what the transition predicted.
            noise: standard normal, `num_noise_frames` of it.
            temperature: scale of the chunk's initial noise.
            sigmas: what `sigmas` gave.
        """
        ...

    def write(
        self,
        history: ChunkHistory,
        latents: Float[Tensor, "batch frames channel h w"],
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
    ) -> ChunkHistory:
        """The history with the chunk that was just drawn, as it is after decoding and encoding.

        Args:
            history: what `draw` gave.
            latents: the chunk.
            past: as `draw` took it.
            latent_state: as `draw` took it.
        """
        ...


@dataclass(frozen=True)
class AutoregressiveSampler:
    """Chunk after chunk, each on finished ones."""

    decoder: VideoDecoder

    @property
    def takes_guidance(self) -> bool:
        """Yes."""
        return True

    @property
    def num_noise_frames(self) -> int:
        """Those of the chunk."""
        return self.decoder.config.chunk_frames

    def num_steps(self, default: int) -> int:
        """Any number will do."""
        return default

    def sigmas(self, num_denoising_steps: int) -> list[float]:
        """See `sampling_sigmas`."""
        return sampling_sigmas(num_denoising_steps, self.decoder.config.shift)

    def begin(self, batch_size: int) -> ChunkHistory:
        """An empty cache."""
        return ChunkHistory(self.decoder.empty_cache(batch_size))

    def draw(
        self,
        history: ChunkHistory,
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
        noise: Float[Tensor, "batch noise_frames channel h w"],
        temperature: float,
        sigmas: list[float],
    ) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkHistory]:
        """See `sample_chunk`."""
        return sample_chunk(self.decoder, history.cache, past, latent_state, temperature * noise, sigmas), history

    def write(
        self,
        history: ChunkHistory,
        latents: Float[Tensor, "batch frames channel h w"],
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
    ) -> ChunkHistory:
        """See `write_chunk`."""
        return ChunkHistory(write_chunk(self.decoder, history.cache, latents, past, latent_state))


@dataclass(frozen=True)
class SwinSampler:
    """A window of two chunks at staggered noise that moves on by one with every step.

    Attributes:
        decoder: the network.
        swin: how its window is run.
        num_levels: noise levels at which a window keeps its chunk, half the usual number of denoising steps; a step
            with another number replays the nearest.
    """

    decoder: VideoDecoder
    swin: SwinConfig
    num_levels: int

    @property
    def takes_guidance(self) -> bool:
        """No: a window holds two chunks, of different rounds."""
        return False

    @property
    def num_noise_frames(self) -> int:
        """Those of the chunk, and of its conditioning frames."""
        return self.decoder.config.chunk_frames + self.decoder.config.past_frames

    def num_steps(self, default: int) -> int:
        """The next even number."""
        return default + default % 2

    def sigmas(self, num_denoising_steps: int) -> list[float]:
        """See `swin_sigmas`."""
        return swin_sigmas(num_denoising_steps, self.decoder.config.shift, self.swin.stagger_space)

    def begin(self, batch_size: int) -> ChunkHistory:
        """A window without chunks; the cache of the other sampler stays empty."""
        window = SwinWindow.empty(self.decoder, batch_size, self.num_levels if self.swin.staggered else 0)
        return ChunkHistory(_no_cache(self.decoder, batch_size), window.streams())

    def draw(
        self,
        history: ChunkHistory,
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
        noise: Float[Tensor, "batch noise_frames channel h w"],
        temperature: float,
        sigmas: list[float],
    ) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkHistory]:
        """See `sample_swin_chunk`."""
        frames = self.decoder.config.chunk_frames
        clean, window = sample_swin_chunk(
            self.decoder,
            self.swin,
            SwinWindow.from_streams(history.streams),
            past,
            latent_state,
            temperature * noise[:, :frames],
            noise[:, frames:],
            sigmas,
        )
        return clean, ChunkHistory(history.cache, window.streams())

    def write(
        self,
        history: ChunkHistory,
        latents: Float[Tensor, "batch frames channel h w"],
        past: Float[Tensor, "batch past channel h w"],
        latent_state: Float[Tensor, "batch states width"],
    ) -> ChunkHistory:
        """The history as it is: the window has seen the chunk while it was denoised."""
        return history


def draw_guided(
    sampler: ChunkSampler,
    history: ChunkHistory,
    conditions: Sequence[Condition],
    noise: Float[Tensor, "batch frames channel h w"],
    sigmas: list[float],
) -> Float[Tensor, "batch frames channel h w"]:
    """Draw under weighted conditions; see `sample_weighted_chunk`.

    Raises:
        ValueError: the sampler is not the autoregressive one.
    """
    if not isinstance(sampler, AutoregressiveSampler):
        raise ValueError('guidance must be left out under sampling "swin", got one; load with "autoregressive"')
    return sample_weighted_chunk(sampler.decoder, history.cache, conditions, noise, sigmas)


def chunk_sampler(decoder: VideoDecoder, sampling: ChunkSampling | None, num_denoising_steps: int) -> ChunkSampler:
    """The sampler of a decoder.

    Args:
        decoder: the network.
        sampling: which; None takes the one that the decoder was trained for.
        num_denoising_steps: the usual number of decoder calls a chunk.

    Raises:
        ValueError: an unknown sampling, or a decoder without a window: one without past frames, with patches of
            several frames, or of a model with memory.
    """
    if sampling not in (None, *get_args(ChunkSampling)):
        raise ValueError(f"sampling must be None, {' or '.join(get_args(ChunkSampling))}, got {sampling!r}")
    config = decoder.config
    if sampling == "autoregressive" or (sampling is None and config.swin is None):
        return AutoregressiveSampler(decoder)
    check_window(decoder)
    return SwinSampler(decoder, config.swin or SwinConfig(), max(1, (num_denoising_steps + 1) // 2))


def check_window(decoder: VideoDecoder) -> None:
    """Check that a conditioning frame can stand before a decoder's chunks.

    Raises:
        ValueError: it has no past frames, or patches of several frames, or is shown what a memory recalls: a window
            holds two chunks, and its conditioning is that of the first.
    """
    if decoder.config.recalled_frames:
        raise ValueError('sampling must be "autoregressive" for a model with memory, got "swin"')
    if decoder.config.past_frames < 1:
        raise ValueError(f"past_frames must be at least 1 to sample by swin, got {decoder.config.past_frames}")
    if decoder.transformer.config.patch_size[0] != 1:
        patch = tuple(decoder.transformer.config.patch_size)
        raise ValueError(f"patch_size must be 1 frame long to sample by swin, got {patch}")


def _no_cache(decoder: VideoDecoder, batch_size: int) -> ChunkCache:
    cache = decoder.empty_cache(batch_size)
    return ChunkCache(cache.keys[:, :, :0], cache.values[:, :, :0], cache.chunks)
