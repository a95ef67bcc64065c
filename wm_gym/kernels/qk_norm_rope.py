"""RMSNorm of queries and keys across heads and Wan's interleaved RoPE, alone or with the write into a ring KV cache."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import rms_norm

from wm_gym.kernels.choice import runs_triton, widen

Pair = tuple[Float[Tensor, "batch tokens heads head_dim"], Float[Tensor, "batch tokens heads head_dim"]]


def norm_rope_reference(
    x: Float[Tensor, "batch tokens width"],
    weight: Float[Tensor, "width"],
    cos: Float[Tensor, "#batch tokens pairs"],
    sin: Float[Tensor, "#batch tokens pairs"],
    eps: float = 1e-6,
) -> Float[Tensor, "batch tokens heads head_dim"]:
    """Over all heads x / sqrt(mean x^2 + eps) weight; then a head's pairs (a, b) -> (a cos - b sin, a sin + b cos).

    As `WanAttnProcessor` has it (arXiv 2104.09864 with neighbours as pairs), float32 inside and rounded once.
    """
    heads = x.shape[-1] // (2 * cos.shape[-1])
    even, odd = rms_norm(widen(x), x.shape[-1:], widen(weight), eps).unflatten(-1, (heads, -1, 2)).unbind(-1)
    cos, sin = widen(cos)[:, :, None], widen(sin)[:, :, None]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)


def write_ring_reference(
    ring: Float[Tensor, "batch slots heads head_dim"],
    written: Float[Tensor, "batch tokens heads head_dim"],
    first_slot: Int64[Tensor, "batch"],
) -> None:
    """Put consecutive tokens into consecutive slots, in place."""
    batch, tokens = written.shape[:2]
    slots = first_slot[:, None] + torch.arange(tokens, device=ring.device)
    ring[torch.arange(batch, device=ring.device)[:, None], slots] = written


def qk_norm_rope(
    query: Float[Tensor, "batch tokens width"],
    key: Float[Tensor, "batch tokens width"],
    query_weight: Float[Tensor, "width"],
    key_weight: Float[Tensor, "width"],
    cos: Float[Tensor, "#batch tokens pairs"],
    sin: Float[Tensor, "#batch tokens pairs"],
    eps: float = 1e-6,
) -> Pair:
    """Normalise and rotate queries and keys; differentiable but for the tables.

    Args:
        query: what the projection gave, all heads side by side.
        key: likewise.
        query_weight: weight of the queries' RMSNorm.
        key_weight: weight of the keys'.
        cos: cosine of each pair's angle; `WanRotaryPosEmbed`'s first table at `[..., 0::2]`.
        sin: sine of each pair's angle; its second table at `[..., 1::2]`.
        eps: added to the mean square.

    Returns:
        Queries and keys by head.

    Raises:
        ValueError: the width is no multiple of the head dimension that the tables give.
    """
    _check_width(query, cos)
    if runs_triton(query):
        pair: Pair = qk_norm_rope_op(query, key, query_weight, key_weight, cos, sin, eps)
        return pair
    rotated = norm_rope_reference(query, query_weight, cos, sin, eps)
    return rotated, norm_rope_reference(key, key_weight, cos, sin, eps)


def qk_norm_rope_write(
    query: Float[Tensor, "batch tokens width"],
    key: Float[Tensor, "batch tokens width"],
    value: Float[Tensor, "batch tokens width"],
    query_weight: Float[Tensor, "width"],
    key_weight: Float[Tensor, "width"],
    cos: Float[Tensor, "#batch tokens pairs"],
    sin: Float[Tensor, "#batch tokens pairs"],
    keys: Float[Tensor, "batch slots heads head_dim"],
    values: Float[Tensor, "batch slots heads head_dim"],
    first_slot: Int64[Tensor, "batch"],
    eps: float = 1e-6,
) -> Float[Tensor, "batch tokens heads head_dim"]:
    """`qk_norm_rope`, with keys and values written into the ring cache in place; not differentiable.

    Args:
        query: see `qk_norm_rope`.
        key: see `qk_norm_rope`.
        value: what the projection gave.
        query_weight: see `qk_norm_rope`.
        key_weight: see `qk_norm_rope`.
        cos: see `qk_norm_rope`.
        sin: see `qk_norm_rope`.
        keys: the cache's rotated keys.
        values: the cache's values.
        first_slot: where each world's first token goes, the others behind it: 0 to `slots - tokens`. It is not
            checked, which would wait for the device; see `ring_attention.first_slot`.
        eps: added to the mean square.

    Returns:
        Queries by head.

    Raises:
        ValueError: the width is no multiple of the head dimension, the chunk is larger than the ring, or (the twin's) a
            ring whose slots do not hold heads and channels side by side.
        RuntimeError: a gradient is asked for; `qk_norm_rope` has one.
    """
    _check_width(query, cos)
    if query.shape[1] > keys.shape[1]:
        raise ValueError(f"the ring must hold the {query.shape[1]} tokens of a chunk, got {keys.shape[1]} slots")
    if torch.is_grad_enabled() and any(x.requires_grad for x in (query, key, value, query_weight, key_weight)):
        raise RuntimeError("qk_norm_rope_write must run under torch.no_grad, got inputs that ask for a gradient")
    if runs_triton(query):
        rotated: Tensor = qk_norm_rope_write_op(
            query, key, value, query_weight, key_weight, cos, sin, keys, values, first_slot, eps
        )
        return rotated
    write_ring_reference(keys, norm_rope_reference(key, key_weight, cos, sin, eps), first_slot)
    write_ring_reference(values, value.unflatten(-1, values.shape[2:]), first_slot)
    return norm_rope_reference(query, query_weight, cos, sin, eps)


@torch.library.custom_op("wm_gym::qk_norm_rope", mutates_args=())
def qk_norm_rope_op(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The operation as torch.compile sees it."""
    if runs_triton(query):
        from wm_gym.kernels.triton import qk_norm_rope as twin

        return twin.qk_norm_rope(query, key, query_weight, key_weight, cos, sin, eps)
    rotated = norm_rope_reference(query, query_weight, cos, sin, eps).contiguous()
    return rotated, norm_rope_reference(key, key_weight, cos, sin, eps).contiguous()


@torch.library.custom_op("wm_gym::qk_norm_rope_write", mutates_args=("keys", "values"))
def qk_norm_rope_write_op(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    first_slot: Tensor,
    eps: float,
) -> Tensor:
    """The operation as torch.compile sees it."""
    if runs_triton(query):
        from wm_gym.kernels.triton import qk_norm_rope as twin

        return twin.qk_norm_rope_write(
            query, key, value, query_weight, key_weight, cos, sin, keys, values, first_slot, eps
        )
    write_ring_reference(keys, norm_rope_reference(key, key_weight, cos, sin, eps), first_slot)
    write_ring_reference(values, value.unflatten(-1, values.shape[2:]), first_slot)
    return norm_rope_reference(query, query_weight, cos, sin, eps).contiguous()


@qk_norm_rope_op.register_fake
def _(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    shape = _by_head(query, cos)
    return query.new_empty(shape), key.new_empty(shape)


@qk_norm_rope_write_op.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor,
    first_slot: Tensor,
    eps: float,
) -> Tensor:
    return query.new_empty(_by_head(query, cos))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    query, key, query_weight, key_weight, cos, sin, eps = inputs
    ctx.save_for_backward(query, key, query_weight, key_weight, cos, sin)
    ctx.eps = eps


def _backward(ctx: Any, grad_query: Tensor, grad_key: Tensor) -> tuple[Tensor | None, ...]:
    query, key, query_weight, key_weight, cos, sin = ctx.saved_tensors
    eps: float = ctx.eps
    of_query, of_query_weight = _norm_rope_gradients(query, query_weight, cos, sin, grad_query, eps)
    of_key, of_key_weight = _norm_rope_gradients(key, key_weight, cos, sin, grad_key, eps)
    return of_query, of_key, of_query_weight, of_key_weight, None, None, None


qk_norm_rope_op.register_autograd(_backward, setup_context=_save)


def _norm_rope_gradients(
    x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, grad: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Gradients of x and weight: rotate back; d x = r (g - n mean(g n)) with r = 1 / rms, n = x r, g = grad weight."""
    even, odd = widen(grad).unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = widen(cos)[:, :, None], widen(sin)[:, :, None]
    unrotated = torch.stack([even * cos + odd * sin, odd * cos - even * sin], dim=-1).flatten(2)
    wide = widen(x)
    inverse = torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    normed = wide * inverse
    inner = unrotated * widen(weight)
    of_x = inverse * (inner - normed * (inner * normed).mean(-1, keepdim=True))
    return of_x.type_as(x), (unrotated * normed).sum(dim=(0, 1)).type_as(weight)


def _by_head(x: Tensor, cos: Tensor) -> tuple[int | torch.SymInt, ...]:
    head_dim = 2 * cos.shape[-1]
    return x.shape[0], x.shape[1], x.shape[2] // head_dim, head_dim


def _check_width(query: Tensor, cos: Tensor) -> None:
    if query.shape[-1] % (2 * cos.shape[-1]):
        raise ValueError(f"width must be a multiple of the head's {2 * cos.shape[-1]}, got {query.shape[-1]}")
