"""The decoder g: `diffusers.WanTransformer3DModel`, chunk-causal, conditioned on the latent state of each chunk.

The latent state enters through Wan's cross-attention, the last clean latents on channels (as in Wan's image-to-video
input), older chunks by attention.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from jaxtyping import Float
from torch import Tensor, nn

from wm_gym.decoder.chunk_attention import (
    ChunkCache,
    ChunkContext,
    ChunkCrossAttention,
    ChunkSelfAttention,
    Rotary,
    append_chunk,
    chunk_causal_mask,
)
from wm_gym.decoder.swin_config import SwinConfig

InputChannels = Literal["noisy", "last", "position"]
PredictionTarget = Literal["residual", "clean", "velocity"]


@dataclass(frozen=True, kw_only=True)
class VideoDecoderConfig:
    """What `WanTransformer3DModel`'s own config does not say.

    Attributes:
        latent_channels: channels of the latents.
        latent_size: (rows, columns) of the latents.
        chunk_frames: latent frames that are denoised together.
        window_chunks: chunks that attention sees, the present one included.
        past_frames: clean latent frames before the chunk that are stacked on channels. One is enough where a picture
            says all; two show how things move.
        recalled_frames: latent frames that a memory shows of the place to come, stacked before the past ones.
        input_channels: what is stacked on channels: the noisy latents, the recalled and the past ones ("last"), and the
            cell's row and column in [-1, 1] (Wan's RoPE knows relative places only).
        prediction_target: what the network's output means: clean latents minus the last frame ("residual"), clean
            latents, or the velocity noise - clean (Wan's official weights).
        shift: shift of the noise levels, in training and sampling.
        swin: the window that it was trained to be sampled in; None for chunk after chunk on a clean past.
    """

    latent_channels: int = 16
    latent_size: tuple[int, int] = (8, 8)
    chunk_frames: int = 1
    window_chunks: int = 1
    past_frames: int = 1
    recalled_frames: int = 0
    input_channels: tuple[InputChannels, ...] = ("noisy", "last", "position")
    prediction_target: PredictionTarget = "residual"
    shift: float = 3.0
    swin: SwinConfig | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "VideoDecoderConfig":
        """The config that `as_json` wrote.

        Raises:
            TypeError: unknown names.
            ValueError: values out of their range.
        """
        swin = values.get("swin")
        return cls(**{**values, "swin": None if swin is None else SwinConfig(**swin)})

    def as_json(self) -> dict[str, Any]:
        """Its values by name; without window and memory as before there were any, so that its hash stays the same."""
        without = {"swin": None, "recalled_frames": 0}
        return {name: value for name, value in asdict(self).items() if name not in without or value != without[name]}

    @property
    def shown_frames(self) -> int:
        """Latent frames that are stacked on channels, the recalled and the past ones."""
        return self.recalled_frames + self.past_frames

    @property
    def num_input_channels(self) -> int:
        """Channels that the transformer must take."""
        return sum(self._num_channels(name) for name in self.input_channels)

    def first_channel(self, name: InputChannels) -> int:
        """Where in the transformer's input the channels of a name begin."""
        return sum(self._num_channels(each) for each in self.input_channels[: self.input_channels.index(name)])

    def _num_channels(self, name: InputChannels) -> int:
        sizes = {"noisy": self.latent_channels, "last": self.shown_frames * self.latent_channels, "position": 2}
        return sizes[name]


class VideoDecoder(nn.Module):
    """Predicts the clean latents of chunks from noisy ones, all chunks of a segment at once or one on a cache."""

    def __init__(self, config: VideoDecoderConfig, transformer: dict[str, Any]) -> None:
        """Build a freshly initialised decoder.

        Args:
            config: the chunk layout.
            transformer: keyword arguments of `WanTransformer3DModel`; the channel counts are filled in.
        """
        super().__init__()
        self.config = config
        channels = {"in_channels": config.num_input_channels, "out_channels": config.latent_channels}
        self.transformer = WanTransformer3DModel(**{**transformer, **channels})
        self._processors: list[ChunkSelfAttention | ChunkCrossAttention] = []
        for layer, block in enumerate(self.transformer.blocks):
            processors = ChunkSelfAttention(layer), ChunkCrossAttention()
            block.attn1.set_processor(processors[0])
            block.attn2.set_processor(processors[1])
            self._processors += processors
        rows, columns = config.latent_size
        grid = torch.meshgrid(torch.linspace(-1, 1, rows), torch.linspace(-1, 1, columns), indexing="ij")
        self.register_buffer("_grid", torch.stack(grid), persistent=False)

    @property
    def chunk_tokens(self) -> int:
        """Tokens of one chunk."""
        return self.config.chunk_frames // int(self.transformer.config.patch_size[0]) * self.frame_tokens

    @property
    def frame_tokens(self) -> int:
        """Tokens of one latent frame, or of as many as a patch is long."""
        _, rows, columns = self.transformer.config.patch_size
        height, width = self.config.latent_size
        return int((height // rows) * (width // columns))

    def forward(
        self,
        noisy: Float[Tensor, "batch chunks frames channel h w"],
        past: Float[Tensor, "batch chunks past channel h w"],
        sigmas: Float[Tensor, "batch chunks"],
        latent_state: Float[Tensor, "batch chunks states width"],
    ) -> Float[Tensor, "batch chunks frames channel h w"]:
        """The network's output for all chunks of a segment in one chunk-causal pass.

        Args:
            noisy: latents at their chunk's noise level.
            past: what memory shows of each chunk, and the clean latent frames before it, the newest last.
            sigmas: noise level of each chunk.
            latent_state: what the transition predicted for each chunk.
        """
        batch, chunks = sigmas.shape
        if self.config.window_chunks == 1:  # without a past, chunks are batch items
            folded = self.run(
                ChunkContext(num_chunks=1),
                noisy.flatten(0, 1),
                past.flatten(0, 1)[:, None],
                sigmas.flatten(),
                latent_state.flatten(0, 1),
            )
            return folded.unflatten(0, (batch, chunks))
        mask = chunk_causal_mask(chunks, self.chunk_tokens, self.config.window_chunks, noisy.device)
        output = self.run(
            ChunkContext(num_chunks=chunks, mask=mask),
            noisy.flatten(1, 2),
            past,
            sigmas.repeat_interleave(self.chunk_tokens, dim=1),
            latent_state.flatten(1, 2),
        )
        return output.unflatten(1, (chunks, -1))

    def empty_cache(self, batch_size: int) -> ChunkCache:
        """A cache without chunks, for the first step of a world."""
        config = self.transformer.config
        past = (self.config.window_chunks - 1) * self.chunk_tokens
        shape = (batch_size, config.num_layers, past, config.num_attention_heads, config.attention_head_dim)
        zeros = torch.zeros(shape, dtype=self.transformer.dtype, device=self.transformer.device)
        chunks = torch.zeros(batch_size, dtype=torch.int64, device=self.transformer.device)
        return ChunkCache(keys=zeros, values=zeros.clone(), chunks=chunks)

    def step(
        self,
        cache: ChunkCache,
        noisy: Float[Tensor, "batch frames channel h w"],
        past: Float[Tensor, "batch past channel h w"],
        sigma: Float[Tensor, "batch"],
        latent_state: Float[Tensor, "batch states width"],
    ) -> tuple[Float[Tensor, "batch frames channel h w"], ChunkCache]:
        """The network's output for the next chunk, and the cache with this pass's keys and values in it."""
        context = ChunkContext(num_chunks=1)
        if cache.keys.shape[2]:
            present = torch.ones(len(noisy), self.chunk_tokens, dtype=torch.bool, device=noisy.device)
            seen = torch.cat([cache.filled(self.chunk_tokens), present], dim=1)
            context = ChunkContext(
                num_chunks=1, mask=seen[:, None, None], rotary=self.rotary(noisy, self._window_frames), cache=cache
            )
        output = self.run(context, noisy, past[:, None], sigma, latent_state)
        return output, append_chunk(cache, context.written, self.chunk_tokens)

    def clean(
        self,
        output: Float[Tensor, "*lead frames channel h w"],
        noisy: Float[Tensor, "*lead frames channel h w"],
        past: Float[Tensor, "*lead past channel h w"],
        sigma: Float[Tensor, "*lead"],
    ) -> Float[Tensor, "*lead frames channel h w"]:
        """Clean latents from the network's output, by `prediction_target`."""
        match self.config.prediction_target:
            case "residual":
                return past[..., -1:, :, :, :] + output
            case "clean":
                return output
            case "velocity":
                return noisy - sigma[..., None, None, None, None] * output

    def run(
        self,
        context: ChunkContext,
        noisy: Float[Tensor, "n frames channel h w"],
        past: Float[Tensor, "n chunks past channel h w"],
        sigmas: Float[Tensor, "n *tokens"],
        latent_state: Float[Tensor, "n states width"],
    ) -> Float[Tensor, "n frames channel h w"]:
        """The network's output for a sequence of frames under an attention context, which keeps the keys and values.

        Args:
            context: who sees whom.
            noisy: the frames, each at its noise level.
            past: what is stacked on channels of an equal share of the frames each.
            sigmas: one noise level for all frames, or one a token.
            latent_state: what the chunks of the context read, chunk after chunk.
        """
        for processor in self._processors:
            processor.context = context
        grid = self.get_buffer("_grid")
        inputs = {
            "noisy": noisy,
            "last": past.flatten(2, 3).repeat_interleave(noisy.shape[1] // past.shape[1], dim=1),
            "position": grid.expand(*noisy.shape[:2], -1, -1, -1),
        }
        stacked = torch.cat([inputs[name] for name in self.config.input_channels], dim=2).transpose(1, 2)
        (output,) = self.transformer(stacked, 1000 * sigmas, latent_state, return_dict=False)
        for processor in self._processors:
            processor.context = ChunkContext(num_chunks=1)  # would keep the cache and the graph of this pass alive
        return output.transpose(1, 2)

    @property
    def _window_frames(self) -> int:
        return self.config.window_chunks * self.config.chunk_frames

    def rotary(self, like: Tensor, num_frames: int) -> Rotary:
        """Cosines and sines for the tokens of `num_frames` frames, on the device of `like`."""
        shape = (1, 1, num_frames, *self.config.latent_size)
        cos, sin = self.transformer.rope(torch.empty(shape, device=like.device, dtype=like.dtype))
        return cos, sin
