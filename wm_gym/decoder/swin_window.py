"""What a world keeps of its window between two steps: the last chunk as the next one will see it."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.video_decoder import VideoDecoder

_PREFIX = "window."


@dataclass(frozen=True)
class SwinWindow:
    """The second half of the last chunk's way to clean, cached.

    Attributes:
        keys: keys (before RoPE) of the conditioning frame and the chunk at each noise level of that half, noisiest
            first.
        values: values in the same layout.
        chunks: 1, or 0 before a world's first chunk.
        past: the frames before that chunk, the newest last.
        noisy_past: these at the noise level of a conditioning frame.
    """

    keys: Float[Tensor, "batch levels layers tokens heads head_dim"]
    values: Float[Tensor, "batch levels layers tokens heads head_dim"]
    chunks: Int64[Tensor, "batch"]
    past: Float[Tensor, "batch past channel h w"]
    noisy_past: Float[Tensor, "batch past channel h w"]

    @classmethod
    def empty(cls, decoder: VideoDecoder, batch_size: int, num_levels: int) -> "SwinWindow":
        """The window before a world's first chunk."""
        config, transformer = decoder.config, decoder.transformer
        heads = transformer.config.num_attention_heads, transformer.config.attention_head_dim
        tokens = decoder.frame_tokens + decoder.chunk_tokens
        place = {"dtype": transformer.dtype, "device": transformer.device}
        keys = torch.zeros(batch_size, num_levels, transformer.config.num_layers, tokens, *heads, **place)
        past = torch.zeros(batch_size, config.past_frames, config.latent_channels, *config.latent_size, **place)
        chunks = torch.zeros(batch_size, dtype=torch.int64, device=transformer.device)
        return cls(keys=keys, values=keys.clone(), chunks=chunks, past=past, noisy_past=past.clone())

    @classmethod
    def from_streams(cls, streams: Mapping[str, Tensor]) -> "SwinWindow":
        """The window among the streams of a world state."""
        return cls(**{name[len(_PREFIX) :]: value for name, value in streams.items() if name.startswith(_PREFIX)})

    def streams(self) -> dict[str, Tensor]:
        """Its tensors by name, for a world state."""
        names = ("keys", "values", "chunks", "past", "noisy_past")
        return {_PREFIX + name: getattr(self, name) for name in names}

    @property
    def num_levels(self) -> int:
        """Noise levels that it keeps."""
        return self.keys.shape[1]

    def at(self, number: int, of: int) -> ChunkCache:
        """Keys and values for step `number` of `of` in the first half of the next chunk's way.

        With as many steps as levels these are the ones at its very noise level, else the nearest before it.
        """
        level = number * self.num_levels // of
        return ChunkCache(keys=self.keys[:, level], values=self.values[:, level], chunks=self.chunks)
