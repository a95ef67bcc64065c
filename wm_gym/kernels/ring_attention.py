"""Attention of a chunk over a ring KV cache: a sink of first tokens that stay, and a ring that the newest overwrite.

Keys are stored rotated and softmax does not ask for order, so nothing is ever moved: the token at position p lies in
slot p while p < sink, and in slot sink + (p - sink) mod ring after. The chunk itself is in the ring before it attends.
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from wm_gym.kernels.choice import runs_triton, widen

MAX_HEAD_DIM = 128  # of the twin; wider heads would spill


def first_slot(position: Int64[Tensor, "batch"], num_slots: int, sink_tokens: int) -> Int64[Tensor, "batch"]:
    """The slot of the token at `position`; a chunk's others lie behind it if chunks fit both parts evenly."""
    return torch.where(
        position < sink_tokens, position, sink_tokens + (position - sink_tokens) % (num_slots - sink_tokens)
    )


def visible_slots(
    written: Int64[Tensor, "batch"], num_slots: int, sink_tokens: int, window_tokens: int
) -> Bool[Tensor, "batch slots"]:
    """Which slots hold a token of the sink or one of the last `window_tokens` written."""
    ring = num_slots - sink_tokens
    slots = torch.arange(num_slots, device=written.device)
    newest = (written[:, None] - sink_tokens - 1) % ring
    age = (newest - (slots - sink_tokens)) % ring
    seen = (slots < sink_tokens) | (age < window_tokens)
    return seen & (slots < written[:, None])


def ring_attention_reference(
    query: Float[Tensor, "batch tokens heads head_dim"],
    keys: Float[Tensor, "batch slots heads head_dim"],
    values: Float[Tensor, "batch slots heads head_dim"],
    written: Int64[Tensor, "batch"] | None = None,
    sink_tokens: int = 0,
    window_tokens: int | None = None,
) -> Float[Tensor, "batch tokens heads head_dim"]:
    """softmax(query keys^T / sqrt(head_dim)) values over the visible slots; see `ring_attention`."""
    mask = None
    if written is not None:
        window = keys.shape[1] if window_tokens is None else window_tokens
        mask = visible_slots(written, keys.shape[1], sink_tokens, window)[:, None, None]
    query, keys, values = (tensor.transpose(1, 2) for tensor in (query, keys, values))
    return scaled_dot_product_attention(query, keys, values, attn_mask=mask).transpose(1, 2)


def ring_attention(
    query: Float[Tensor, "batch tokens heads head_dim"],
    keys: Float[Tensor, "batch slots heads head_dim"],
    values: Float[Tensor, "batch slots heads head_dim"],
    written: Int64[Tensor, "batch"] | None = None,
    *,
    sink_tokens: int = 0,
    window_tokens: int | None = None,
) -> Float[Tensor, "batch tokens heads head_dim"]:
    """All tokens of the chunk attend to the sink and to the newest tokens of the ring; differentiable.

    A ring that is full needs no mask, and torch's own attention (cuDNN or flash on CUDA) serves best; one that is not
    would need a mask there, which those do not take, so on CUDA the twin reads the count itself.

    Args:
        query: rotated queries of the chunk.
        keys: rotated keys by slot, the chunk's included. Slots not yet written must be finite.
        values: values by slot.
        written: how many tokens each world has written so far, the chunk included, at least 1; None says that all
            slots are visible.
        sink_tokens: slots that are never overwritten.
        window_tokens: how many of the newest tokens are seen besides the sink, the chunk included; None for all that
            the ring holds. A ring may hold more than is seen, to take a chunk back.

    Returns:
        What each token read, in the dtype of `query`.

    Raises:
        ValueError: a sink that leaves no ring, or a window without a token.
    """
    if not 0 <= sink_tokens < keys.shape[1]:
        raise ValueError(f"sink_tokens must be 0 to {keys.shape[1] - 1}, one less than the slots, got {sink_tokens}")
    if window_tokens is not None and window_tokens < 1:
        raise ValueError(f"window_tokens must be at least 1, got {window_tokens}")
    if written is not None and runs_triton(query) and query.shape[-1] <= MAX_HEAD_DIM:
        window = keys.shape[1] if window_tokens is None else window_tokens
        read: Tensor = ring_attention_op(query, keys, values, written, sink_tokens, window)
        return read
    return ring_attention_reference(query, keys, values, written, sink_tokens, window_tokens)


@torch.library.custom_op("wm_gym::ring_attention", mutates_args=())
def ring_attention_op(
    query: Tensor, keys: Tensor, values: Tensor, written: Tensor, sink_tokens: int, window_tokens: int
) -> Tensor:
    """The operation as torch.compile sees it."""
    if runs_triton(query) and query.shape[-1] <= MAX_HEAD_DIM:
        from wm_gym.kernels.triton import ring_attention as twin

        return twin.ring_attention(query, keys, values, written, sink_tokens, window_tokens)
    return ring_attention_reference(query, keys, values, written, sink_tokens, window_tokens).contiguous()


@ring_attention_op.register_fake
def _(query: Tensor, keys: Tensor, values: Tensor, written: Tensor, sink_tokens: int, window_tokens: int) -> Tensor:
    return query.new_empty(query.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    query, keys, values, written, sink_tokens, window_tokens = inputs
    ctx.save_for_backward(query, keys, values, written, output)
    ctx.layout = (sink_tokens, window_tokens)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """Through all scores (tokens x slots a head, float32): for short self-rollouts, not for long windows."""
    query, keys, values, written, output = ctx.saved_tensors
    visible = visible_slots(written, keys.shape[1], *ctx.layout)
    q, k, v, out, g = (widen(tensor).transpose(1, 2) for tensor in (query, keys, values, output, grad))
    scale = q.shape[-1] ** -0.5
    scores = (q @ k.mT * scale).masked_fill(~visible[:, None, None], -torch.inf)
    weights = scores.softmax(dim=-1)
    of_scores = weights * (g @ v.mT - (g * out).sum(-1, keepdim=True)) * scale
    gradients = (of_scores @ k, of_scores.mT @ q, weights.mT @ g)
    of_query, of_keys, of_values = (gradient.transpose(1, 2).type_as(query) for gradient in gradients)
    return of_query, of_keys, of_values, None, None, None


ring_attention_op.register_autograd(_backward, setup_context=_save)
