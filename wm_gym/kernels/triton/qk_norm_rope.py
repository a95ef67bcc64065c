"""Twin of `wm_gym.kernels.qk_norm_rope`: a program a token, for the query, the key and, with a cache, the value."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from wm_gym.kernels.triton.launch import Launch


@triton.jit
@no_type_check
def _norm_rope(x, weight, cos, sin, eps, WIDTH: tl.constexpr, PAIRS: tl.constexpr, BLOCK: tl.constexpr):
    """One row, normalised and rotated, in float32; `x` points to the row, `cos` and `sin` to the token's angles."""
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    row = tl.load(x + column, mask=inside, other=0.0).to(tl.float32)
    inverse = tl.rsqrt(tl.sum(row * row, axis=0) / WIDTH + eps)
    row = row * inverse * tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    even, odd = tl.split(tl.reshape(row, (BLOCK // 2, 2)))  # loads of stride 2 would not be vectorised
    pair = tl.arange(0, BLOCK // 2)
    angle = pair % PAIRS
    within = pair < WIDTH // 2
    c = tl.load(cos + angle, mask=within, other=0.0).to(tl.float32)
    s = tl.load(sin + angle, mask=within, other=0.0).to(tl.float32)
    return tl.reshape(tl.join(even * c - odd * s, even * s + odd * c), (BLOCK,))


@triton.jit
@no_type_check
def _kernel(
    query,
    key,
    value,
    query_weight,
    key_weight,
    cos,
    sin,
    query_out,
    keys,
    values,
    first_slot,
    tokens,
    slots,
    query_batch,
    query_token,
    key_batch,
    key_token,
    value_batch,
    value_token,
    keys_batch,
    keys_slot,
    values_batch,
    values_slot,
    angles_batch,
    eps,
    WIDTH: tl.constexpr,
    PAIRS: tl.constexpr,
    BLOCK: tl.constexpr,
    WRITE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    batch, token = row // tokens, row % tokens
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    angles = batch * angles_batch + token * PAIRS
    rotated = _norm_rope(
        query + batch * query_batch + token * query_token,
        query_weight,
        cos + angles,
        sin + angles,
        eps,
        WIDTH,
        PAIRS,
        BLOCK,
    )
    tl.store(query_out + row * WIDTH + column, rotated.to(query_out.dtype.element_ty), mask=inside)
    rotated = _norm_rope(
        key + batch * key_batch + token * key_token, key_weight, cos + angles, sin + angles, eps, WIDTH, PAIRS, BLOCK
    )
    slot = token
    if WRITE:
        slot += tl.load(first_slot + batch)
    if (slot >= 0) & (slot < slots):
        tl.store(keys + batch * keys_batch + slot * keys_slot + column, rotated.to(keys.dtype.element_ty), mask=inside)
        if WRITE:
            moved = tl.load(value + batch * value_batch + token * value_token + column, mask=inside, other=0.0)
            place = batch * values_batch + slot * values_slot + column
            tl.store(values + place, moved.to(values.dtype.element_ty), mask=inside)


def qk_norm_rope(
    query: Tensor, key: Tensor, query_weight: Tensor, key_weight: Tensor, cos: Tensor, sin: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """See `norm_rope_reference`."""
    shape = (*query.shape[:2], -1, 2 * cos.shape[-1])
    keys = torch.empty(key.shape, dtype=key.dtype, device=key.device).view(shape)
    rotated, launch = plan(query, key, None, query_weight, key_weight, cos, sin, keys, None, None, eps)
    launch.run()
    return rotated, keys


def qk_norm_rope_write(
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
    """See `norm_rope_reference` and `write_ring_reference`; slots outside the ring are left out."""
    rotated, launch = plan(query, key, value, query_weight, key_weight, cos, sin, keys, values, first_slot, eps)
    launch.run()
    return rotated


def plan(
    query: Tensor,
    key: Tensor,
    value: Tensor | None,
    query_weight: Tensor,
    key_weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    keys: Tensor,
    values: Tensor | None,
    first_slot: Tensor | None,
    eps: float,
) -> tuple[Tensor, Launch]:
    """The queries' tensor, still empty, and the launch that fills it and `keys`, and `values` where there are some."""
    batch, tokens, width = query.shape
    rotated = torch.empty((batch, tokens, *keys.shape[2:]), dtype=query.dtype, device=query.device)
    block = triton.next_power_of_2(width)
    launch = Launch(
        kernel=_kernel,
        grid=(batch * tokens,),
        arguments={
            **_rows("query", query, "token"),
            **_rows("key", key, "token"),
            **_rows("value", value, "token"),
            **_rows("keys", _by_slot("keys", keys), "slot"),
            **_rows("values", None if values is None else _by_slot("values", values), "slot"),
            "query_weight": query_weight.contiguous(),
            "key_weight": key_weight.contiguous(),
            "cos": cos.contiguous(),
            "sin": sin.contiguous(),
            "query_out": rotated,
            "first_slot": None if first_slot is None else first_slot.contiguous(),
            "tokens": tokens,
            "slots": keys.shape[1],
            "angles_batch": 0 if cos.shape[0] == 1 else cos.shape[1] * cos.shape[2],
            "eps": eps,
            "WIDTH": width,
            "PAIRS": cos.shape[-1],
            "BLOCK": block,
            "WRITE": first_slot is not None,
        },
        num_warps=min(16, max(1, block // 512)),
    )
    return rotated, launch


def _rows(name: str, rows: Tensor | None, unit: str) -> dict[str, object]:
    """A tensor of rows and its two strides; rows of a slice (a fused projection, a layer's ring) are taken in place."""
    if rows is None:
        return {name: None, f"{name}_batch": 0, f"{name}_{unit}": 0}
    rows = rows if rows.stride(-1) == 1 else rows.contiguous()
    return {name: rows, f"{name}_batch": rows.stride(0), f"{name}_{unit}": rows.stride(1)}


def _by_slot(name: str, ring: Tensor) -> Tensor:
    """The ring with its heads side by side; it is written in place, so that a copy would lose what is written."""
    if ring[0, 0].is_contiguous():
        return ring.flatten(2)
    raise ValueError(
        f"{name} must have a slot's heads and their channels side by side, got strides {ring.stride()}: "
        "make the ring as batch, slots, heads, head_dim"
    )
