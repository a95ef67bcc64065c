"""The decoder g at PAN's scale: Wan2.1's text-to-video transformer, chunk-causal, with the stream of the latent state.

Official weights stay as they are: they predict velocity, know the past by attention alone, and read texts of umT5. The
cache holds past chunks as they look at `context_sigma`, written by a pass of its own: the last denoising step of few
would leave keys of noisy latents there, which the official weights were not trained to read.
"""

from dataclasses import dataclass

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from jaxtyping import Float
from torch import Tensor, nn

from wm_gym.decoder.chunk_attention import (
    ChunkCache,
    ChunkContext,
    ChunkSelfAttention,
    append_chunk,
    chunk_causal_mask,
)
from wm_gym.pan.latent_state_stream import LatentStateStream, TwoStreamCrossAttention


@dataclass(frozen=True, kw_only=True)
class WanDecoderConfig:
    """How Wan's transformer is run over chunks.

    Attributes:
        latent_size: (rows, columns) of the latents.
        chunk_latents: latent frames that are denoised together.
        window_chunks: chunks that attention sees, the present one included.
        shift: shift of the noise levels.
    """

    latent_size: tuple[int, int]
    chunk_latents: int
    window_chunks: int
    shift: float

    @property
    def past_frames(self) -> int:
        """Latent frames stacked on channels: none, as in text-to-video weights."""
        return 0


@dataclass(frozen=True)
class Conditions:
    """What a chunk is drawn from.

    Attributes:
        text: umT5's tokens of the action.
        latent_state: what the transition predicted; None leaves its stream out.
    """

    text: Float[Tensor, "batch words text_width"]
    latent_state: Float[Tensor, "batch states state_width"] | None


class WanDecoder(nn.Module):
    """Predicts the velocity of chunks, all of a segment at once or one on a cache."""

    def __init__(self, transformer: WanTransformer3DModel, config: WanDecoderConfig, state_width: int) -> None:
        """Give a loaded transformer the attention of chunks and the stream of the latent state.

        Args:
            transformer: its attention processors are replaced, its weights stay as they are.
            config: the chunk layout.
            state_width: width of a token of the latent state.

        Raises:
            ValueError: a transformer with other inputs than noisy latents and texts, or sizes that its patches do not
                divide.
        """
        super().__init__()
        _check(transformer, config)
        self.config = config
        self.transformer = transformer
        self.stream = LatentStateStream(transformer, state_width)
        self._self_attentions = [ChunkSelfAttention(layer) for layer in range(len(transformer.blocks))]
        self._cross_attentions = [TwoStreamCrossAttention(added) for added in self.stream.copies]
        for block, own, cross in zip(transformer.blocks, self._self_attentions, self._cross_attentions, strict=True):
            block.attn1.set_processor(own)
            block.attn2.set_processor(cross)

    @property
    def chunk_tokens(self) -> int:
        """Tokens of one chunk."""
        frames, rows, columns = self.transformer.config.patch_size
        height, width = self.config.latent_size
        return int((self.config.chunk_latents // frames) * (height // rows) * (width // columns))

    @property
    def dtype(self) -> torch.dtype:
        """What the transformer's inputs and its cache are in."""
        dtype: torch.dtype = self.transformer.patch_embedding.weight.dtype
        return dtype

    def forward(
        self,
        noisy: Float[Tensor, "batch chunks frames channel h w"],
        sigmas: Float[Tensor, "batch chunks"],
        text: Float[Tensor, "batch chunks words text_width"],
        latent_state: Float[Tensor, "batch chunks states state_width"] | None,
    ) -> Float[Tensor, "batch chunks frames channel h w"]:
        """The velocity of all chunks of a segment in one chunk-causal pass.

        Args:
            noisy: latents at their chunk's noise level.
            sigmas: noise level of each chunk.
            text: umT5's tokens of each chunk's action.
            latent_state: what the transition predicted for each chunk.
        """
        chunks = sigmas.shape[1]
        mask = chunk_causal_mask(chunks, self.chunk_tokens, self.config.window_chunks, noisy.device)
        flat = Conditions(text.flatten(1, 2), None if latent_state is None else latent_state.flatten(1, 2))
        levels = sigmas.repeat_interleave(self.chunk_tokens, dim=1)
        velocity = self._run(ChunkContext(num_chunks=chunks, mask=mask), noisy.flatten(1, 2), levels, flat)
        return velocity.unflatten(1, (chunks, -1))

    def empty_cache(self, batch_size: int) -> ChunkCache:
        """A cache without chunks, for a world's start."""
        attention = self.transformer.blocks[0].attn1
        past = (self.config.window_chunks - 1) * self.chunk_tokens
        head_dim = attention.inner_dim // attention.heads
        shape = (batch_size, len(self.transformer.blocks), past, attention.heads, head_dim)
        device = self.transformer.patch_embedding.weight.device
        zeros = torch.zeros(shape, dtype=self.dtype, device=device)
        return ChunkCache(zeros, zeros.clone(), torch.zeros(batch_size, dtype=torch.int64, device=device))

    def step(
        self,
        cache: ChunkCache,
        noisy: Float[Tensor, "batch frames channel h w"],
        sigma: Float[Tensor, "batch"],
        conditions: Conditions,
    ) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkCache]:
        """The velocity of the next chunk, and the cache with this pass's keys and values in it."""
        context = ChunkContext(num_chunks=1)
        if cache.keys.shape[2]:
            present = torch.ones(len(noisy), self.chunk_tokens, dtype=torch.bool, device=noisy.device)
            seen = torch.cat([cache.filled(self.chunk_tokens), present], dim=1)
            context = ChunkContext(
                num_chunks=1, mask=seen[:, None, None], rotary=self._window_rotary(noisy), cache=cache
            )
        velocity = self._run(context, noisy, sigma, conditions)
        return velocity, append_chunk(cache, context.written, self.chunk_tokens)

    def _run(
        self,
        context: ChunkContext,
        noisy: Float[Tensor, "n frames channel h w"],
        sigmas: Float[Tensor, "n *tokens"],
        conditions: Conditions,
    ) -> Float[Tensor, "n frames channel h w"]:
        state = conditions.latent_state
        self._share(context, None if state is None else self.stream.projection(state.to(self.dtype)))
        try:
            (velocity,) = self.transformer(
                noisy.transpose(1, 2).to(self.dtype), 1000 * sigmas, conditions.text.to(self.dtype), return_dict=False
            )
        finally:
            self._share(ChunkContext(num_chunks=1), None)  # would keep the cache of this pass alive
        return velocity.transpose(1, 2).to(noisy.dtype)

    def _share(self, context: ChunkContext, latent_state: Tensor | None) -> None:
        for own, cross in zip(self._self_attentions, self._cross_attentions, strict=True):
            own.context = cross.context = context
            cross.latent_state = latent_state

    def _window_rotary(self, noisy: Tensor) -> tuple[Tensor, Tensor]:
        frames = self.config.window_chunks * self.config.chunk_latents
        shape = (1, 1, frames, *self.config.latent_size)
        cos, sin = self.transformer.rope(torch.empty(shape, device=noisy.device))
        return cos, sin


def _check(transformer: WanTransformer3DModel, config: WanDecoderConfig) -> None:
    channels = transformer.config.in_channels, transformer.config.out_channels
    if channels[0] != channels[1] or transformer.config.image_dim is not None:
        raise ValueError(
            f"transformer must be one of text-to-video, with as many input as output channels and no image_dim, got "
            f"{channels[0]} and {channels[1]} and image_dim {transformer.config.image_dim}; take Wan2.1-T2V"
        )
    sizes = (config.chunk_latents, *config.latent_size)
    if any(size % patch for size, patch in zip(sizes, transformer.config.patch_size, strict=True)):
        raise ValueError(
            f"latents of a chunk must divide into patches of {tuple(transformer.config.patch_size)}, "
            f"got (frames, rows, columns) = {sizes}; change frame_size or chunk_latents"
        )
