"""`WanTransformer3DModel` chunk by chunk on ring KV caches, block by block through the kernels.

What the decoder's forward pass becomes with them: nothing is copied or moved but what a chunk writes, positions and
slots stay on the device, and every shape is the same from chunk to chunk, so that one CUDA graph serves all. Keys are
rotated by their absolute frame, which RoPE makes equal to their place in the window; a sink grows old that way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from wm_gym.kernels import flow_step, modulated_layer_norm, qk_norm_rope, ring_attention


@dataclass(frozen=True, kw_only=True)
class Operations:
    """The functions that a forward pass is made of."""

    norm: Callable[..., Tensor]
    residual_norm: Callable[..., tuple[Tensor, Tensor]]
    rope_write: Callable[..., Tensor]
    step: Callable[..., Tensor]


def _rope_write_reference(
    query: Tensor, key: Tensor, value: Tensor, query_weight: Tensor, key_weight: Tensor,
    cos: Tensor, sin: Tensor, keys: Tensor, values: Tensor, first_slot: Tensor, eps: float,
) -> Tensor:  # fmt: skip
    rotated = qk_norm_rope.norm_rope_reference(key, key_weight, cos, sin, eps)
    qk_norm_rope.write_ring_reference(keys, rotated, first_slot)
    qk_norm_rope.write_ring_reference(values, value.unflatten(-1, values.shape[2:]), first_slot)
    return qk_norm_rope.norm_rope_reference(query, query_weight, cos, sin, eps)


REFERENCES = Operations(
    norm=modulated_layer_norm.modulated_layer_norm_reference,
    residual_norm=modulated_layer_norm.residual_layer_norm_reference,
    rope_write=_rope_write_reference,
    step=flow_step.flow_step_reference,
)
KERNELS = Operations(
    norm=modulated_layer_norm.modulated_layer_norm,
    residual_norm=modulated_layer_norm.residual_layer_norm,
    rope_write=qk_norm_rope.qk_norm_rope_write,
    step=flow_step.flow_step,
)


class RingDecoder:
    """Samples chunks, one after the other; the caches are overwritten in place."""

    def __init__(
        self,
        transformer: Any,
        *,
        batch: int,
        latent_size: tuple[int, int],
        chunk_frames: int = 3,
        window_frames: int = 21,
        sink_frames: int = 0,
        operations: Operations = KERNELS,
    ) -> None:
        """Lay out empty caches.

        Args:
            transformer: a `WanTransformer3DModel` with `cross_attn_norm`, in the dtype to run in.
            batch: worlds.
            latent_size: rows and columns of the latents.
            chunk_frames: latent frames that are denoised together; it divides the window and the sink.
            window_frames: latent frames that attention sees, the sink and the chunk included.
            sink_frames: the first ones, which are never overwritten.
            operations: kernels or references.
        """
        self.transformer, self.operations = transformer, operations
        config = transformer.config
        self.patch = config.patch_size
        self.grid = (chunk_frames, latent_size[0] // self.patch[1], latent_size[1] // self.patch[2])
        self.frame_tokens = self.grid[1] * self.grid[2]
        self.chunk_tokens = chunk_frames * self.frame_tokens
        self.sink_tokens = sink_frames * self.frame_tokens
        weight = transformer.proj_out.weight
        slots = window_frames * self.frame_tokens
        shape = (config.num_layers, 2, batch, slots, config.num_attention_heads, config.attention_head_dim)
        self.rings = torch.zeros(shape, dtype=weight.dtype, device=weight.device)
        self.written = torch.zeros(batch, dtype=torch.int64, device=weight.device)
        self.affine = [  # LayerNorm's weight and bias as a modulation
            (block.norm2.weight.float()[None, None] - 1, block.norm2.bias.float()[None, None])
            for block in transformer.blocks
        ]

    @torch.no_grad()
    def read_text(self, text: Float[Tensor, "batch tokens width"]) -> list[tuple[Tensor, Tensor]]:
        """Keys and values of every cross-attention: they are the same for all denoising steps."""
        embedded = self.transformer.condition_embedder.text_embedder(text)
        return [
            tuple(
                each.unflatten(2, (block.attn2.heads, -1)).transpose(1, 2)
                for each in (block.attn2.norm_k(block.attn2.to_k(embedded)), block.attn2.to_v(embedded))
            )
            for block in self.transformer.blocks
        ]

    @torch.no_grad()
    def sample(
        self,
        noise: Float[Tensor, "batch frames channel h w"],
        text: Sequence[tuple[Tensor, Tensor]],
        sigmas: Sequence[float],
        full: bool,
    ) -> Float[Tensor, "batch frames channel h w"]:
        """The next chunk's clean latents; a last pass writes them into the cache as they are.

        Args:
            noise: what the chunk begins as.
            text: see `read_text`.
            sigmas: schedule from 1 to 0.
            full: whether the ring is full with this chunk, which the host knows by counting; then no mask is needed.
        """
        noisy = noise
        for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
            level, next_level = (
                noise.new_full((len(noise), 1), each, dtype=torch.float32) for each in (sigma, next_sigma)
            )
            velocity = self.forward(noisy, level[:, 0], text, full)
            noisy = self.operations.step(noisy, velocity, level, next_level)
        self.forward(noisy, noise.new_zeros(len(noise), dtype=torch.float32), text, full)
        self.written += self.chunk_tokens
        return noisy

    @torch.no_grad()
    def forward(
        self,
        noisy: Float[Tensor, "batch frames channel h w"],
        sigma: Float[Tensor, "batch"],
        text: Sequence[tuple[Tensor, Tensor]],
        full: bool,
    ) -> Float[Tensor, "batch frames channel h w"]:
        """The transformer's output for the chunk at the end of the cache; its keys and values go into the ring."""
        model, ops = self.transformer, self.operations
        hidden = (
            model.patch_embedding(noisy.transpose(1, 2).to(self.rings.dtype)).flatten(2).transpose(1, 2).contiguous()
        )
        embedded, modulation = self._modulations(sigma, hidden.dtype)
        cos, sin = self._angles()
        slot = ring_attention.first_slot(self.written, self.rings.shape[3], self.sink_tokens)
        written = None if full else self.written + self.chunk_tokens
        last = (model.scale_shift_table.float() + embedded.float()[:, None]).chunk(2, dim=1)
        tables = [(block.scale_shift_table.float() + modulation).chunk(6, dim=1) for block in model.blocks]
        normed = ops.norm(hidden, tables[0][1], tables[0][0])
        for layer, block in enumerate(model.blocks):
            _, _, gate, mlp_shift, mlp_scale, mlp_gate = tables[layer]
            next_shift, next_scale = tables[layer + 1][:2] if layer + 1 < len(tables) else last
            keys, values = self.rings[layer]
            own, cross = block.attn1, block.attn2
            query = ops.rope_write(
                own.to_q(normed), own.to_k(normed), own.to_v(normed), own.norm_q.weight, own.norm_k.weight,
                cos, sin, keys, values, slot, own.norm_q.eps,
            )  # fmt: skip
            read = ring_attention.ring_attention(query, keys, values, written, sink_tokens=self.sink_tokens)
            hidden, normed = ops.residual_norm(hidden, own.to_out[0](read.flatten(2)), gate, *self.affine[layer])
            query = cross.norm_q(cross.to_q(normed)).unflatten(2, (cross.heads, -1)).transpose(1, 2)
            read = scaled_dot_product_attention(query, *text[layer]).transpose(1, 2).flatten(2)
            hidden, normed = ops.residual_norm(hidden, cross.to_out[0](read), None, mlp_scale, mlp_shift)
            hidden, normed = ops.residual_norm(hidden, block.ffn(normed), mlp_gate, next_scale, next_shift)
        return self._to_frames(model.proj_out(normed))

    def _modulations(self, sigma: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """The embedded noise level, and six rows for every block."""
        embedder = self.transformer.condition_embedder
        wave = embedder.timesteps_proj(1000 * sigma)
        embedded = embedder.time_embedder(wave.to(embedder.time_embedder.linear_1.weight.dtype)).to(dtype)
        return embedded, embedder.time_proj(embedder.act_fn(embedded)).unflatten(1, (6, -1)).float()

    def _angles(self) -> tuple[Tensor, Tensor]:
        """Cosine and sine of each token's pairs, by absolute frame, row and column."""
        rope, (frames, rows, columns) = self.transformer.rope, self.grid
        frame = self.written[:, None] // self.frame_tokens + torch.arange(frames, device=self.written.device)
        tables = []
        for table, parity in ((rope.freqs_cos, 0), (rope.freqs_sin, 1)):
            time, row, column = table.split([rope.t_dim, rope.h_dim, rope.w_dim], dim=1)
            shape = (len(frame), frames, rows, columns, -1)
            parts = (time[frame][:, :, None, None], row[None, None, :rows, None], column[None, None, None, :columns])
            whole = torch.cat([part.expand(shape) for part in parts], dim=-1).flatten(1, 3)
            tables.append(whole[..., parity::2].contiguous())
        return tables[0], tables[1]

    def _to_frames(self, tokens: Float[Tensor, "batch tokens patch"]) -> Float[Tensor, "batch frames channel h w"]:
        frames, rows, columns = self.grid
        _, height, width = self.patch
        picture = tokens.unflatten(2, (height, width, -1)).unflatten(1, (frames, rows, columns))
        frames_first: Tensor = picture.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)
        return frames_first


class FusedNorm(nn.Module):
    """`WanRMS_norm` with the SiLU behind it."""

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Float[Tensor, "batch channel frames height width"]) -> Tensor:
        """Normalise and activate."""
        from wm_gym.kernels.rms_norm_silu import rms_norm_silu

        bias = self.norm.bias
        return rms_norm_silu(x, self.norm.gamma, bias if isinstance(bias, Tensor) else None)


def fuse_norms(autoencoder: nn.Module) -> int:
    """Puts the kernel in place of every norm with a SiLU behind it in an `AutoencoderKLWan`.

    Returns:
        How many.
    """
    fused = 0
    for module in list(autoencoder.modules()):
        names = [name for name in ("norm1", "norm2", "norm_out") if hasattr(module, name)]
        if not names or not hasattr(module, "nonlinearity"):
            continue
        for name in names:
            setattr(module, name, FusedNorm(getattr(module, name)))
        module.nonlinearity = nn.Identity()
        fused += len(names)
    return fused
