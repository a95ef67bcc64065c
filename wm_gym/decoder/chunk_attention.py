"""Attention processors that make `WanTransformer3DModel` chunk-causal, with or without a KV cache.

Self-attention: a chunk sees itself and the `window_chunks - 1` chunks before it. Keys are cached before RoPE and
rotated by their place in the window when they are read, so positions never grow. Cross-attention: a chunk sees its own
latent state only. The blocks and the model of diffusers stay as they are, and official weights load unchanged.
"""

from dataclasses import dataclass, field

import torch
from diffusers.models.transformers.transformer_wan import WanAttention
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

Rotary = tuple[Float[Tensor, "1 tokens 1 head_dim"], Float[Tensor, "1 tokens 1 head_dim"]]


@dataclass(frozen=True)
class ChunkCache:
    """Keys (before RoPE) and values of the last `window_chunks - 1` chunks of each world, the newest on the right.

    Attributes:
        keys: normalised keys without rotation.
        values: values in the same layout.
        chunks: filled chunks of each world, the rightmost ones.
    """

    keys: Float[Tensor, "batch layers past heads head_dim"]
    values: Float[Tensor, "batch layers past heads head_dim"]
    chunks: Int64[Tensor, "batch"]

    def filled(self, chunk_tokens: int) -> Bool[Tensor, "batch past"]:
        """Which places hold a chunk."""
        places = torch.arange(self.keys.shape[2], device=self.keys.device)
        return places >= self.keys.shape[2] - chunk_tokens * self.chunks[:, None]


@dataclass
class ChunkContext:
    """What the processors of one forward pass share.

    Attributes:
        num_chunks: chunks in the sequence.
        lengths: tokens of each chunk; empty where they share the sequence equally.
        mask: who sees whom, broadcast over heads; None when everybody sees everybody.
        rotary: cosines and sines for past and present tokens, or None to use the model's own.
        cache: past keys and values, or None in a full pass.
        written: keys (before RoPE) and values of this pass, layer by layer.
    """

    num_chunks: int
    lengths: tuple[int, ...] = ()
    mask: Bool[Tensor, "batch 1 queries keys"] | None = None
    rotary: Rotary | None = None
    cache: ChunkCache | None = None
    written: list[tuple[Tensor, Tensor]] = field(default_factory=list)


def chunk_causal_mask(
    num_chunks: int, chunk_tokens: int, window_chunks: int, device: torch.device
) -> Bool[Tensor, "1 1 tokens tokens"]:
    """True where a query's chunk sees a key's chunk: itself and the `window_chunks - 1` before it."""
    chunk = torch.arange(num_chunks, device=device).repeat_interleave(chunk_tokens)
    age = chunk[:, None] - chunk[None, :]
    return ((age >= 0) & (age < window_chunks))[None, None]


def rotate(
    x: Float[Tensor, "batch tokens heads head_dim"], rotary: Rotary
) -> Float[Tensor, "batch tokens heads head_dim"]:
    """Wan's interleaved RoPE."""
    cos, sin = rotary[0][..., 0::2], rotary[1][..., 1::2]
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)


class ChunkSelfAttention:
    """Self-attention of one layer under the `context` of the pass."""

    def __init__(self, layer: int) -> None:
        self.layer = layer
        self.context = ChunkContext(num_chunks=1)

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Float[Tensor, "batch tokens width"],
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        rotary_emb: Rotary | None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """Attend; keys before RoPE and values are left in the context."""
        context = self.context
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        key = attn.norm_k(attn.to_k(hidden_states)).unflatten(2, (attn.heads, -1))
        value = attn.to_v(hidden_states).unflatten(2, (attn.heads, -1))
        context.written.append((key, value))
        if context.cache is not None:
            key = torch.cat([context.cache.keys[:, self.layer], key], dim=1)
            value = torch.cat([context.cache.values[:, self.layer], value], dim=1)
        rotary = context.rotary or rotary_emb
        assert rotary is not None, "Wan's blocks pass the rotary embedding to self-attention"
        present = slice(key.shape[1] - query.shape[1], None)
        query = rotate(query, (rotary[0][:, present], rotary[1][:, present]))
        key = rotate(key, rotary)
        out = scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=context.mask
        )
        return attn.to_out[1](attn.to_out[0](out.transpose(1, 2).flatten(2)))


class ChunkCrossAttention:
    """Cross-attention of one layer: every chunk reads its own latent state."""

    def __init__(self) -> None:
        self.context = ChunkContext(num_chunks=1)

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Float[Tensor, "batch tokens width"],
        encoder_hidden_states: Float[Tensor, "batch states width"],
        attention_mask: None = None,
        rotary_emb: None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """Attend chunk by chunk."""
        query = attn.norm_q(attn.to_q(hidden_states))
        key = attn.norm_k(attn.to_k(encoder_hidden_states))
        value = attn.to_v(encoder_hidden_states)
        joined = self._read(query, key, value, attn.heads)
        return attn.to_out[1](attn.to_out[0](joined))

    def _read(
        self,
        query: Float[Tensor, "batch tokens width"],
        key: Float[Tensor, "batch states width"],
        value: Float[Tensor, "batch states width"],
        heads: int,
    ) -> Float[Tensor, "batch tokens width"]:
        chunks, lengths = self.context.num_chunks, list(self.context.lengths)
        if lengths:
            shares = zip(query.split(lengths, dim=1), key.chunk(chunks, dim=1), value.chunk(chunks, dim=1), strict=True)
            return torch.cat([_attend(*(x.unflatten(2, (heads, -1)) for x in share)) for share in shares], dim=1)
        split = [x.unflatten(1, (chunks, -1)).flatten(0, 1).unflatten(2, (heads, -1)) for x in (query, key, value)]
        return _attend(*split).unflatten(0, (-1, chunks)).flatten(1, 2)


def _attend(
    query: Float[Tensor, "batch tokens heads head_dim"],
    key: Float[Tensor, "batch states heads head_dim"],
    value: Float[Tensor, "batch states heads head_dim"],
) -> Float[Tensor, "batch tokens width"]:
    out = scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
    return out.transpose(1, 2).flatten(2)


def append_chunk(cache: ChunkCache, written: list[tuple[Tensor, Tensor]], chunk_tokens: int) -> ChunkCache:
    """The cache with the chunk just computed on the right; the oldest falls off."""
    if cache.keys.shape[2] == 0:  # a window of one chunk has no past
        return cache
    keys = torch.stack([key for key, _ in written], dim=1)
    values = torch.stack([value for _, value in written], dim=1)
    return ChunkCache(
        keys=torch.cat([cache.keys, keys], dim=2)[:, :, chunk_tokens:],
        values=torch.cat([cache.values, values], dim=2)[:, :, chunk_tokens:],
        chunks=(cache.chunks + 1).clamp(max=cache.keys.shape[2] // chunk_tokens),
    )
