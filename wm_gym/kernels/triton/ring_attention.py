"""Twin of `wm_gym.kernels.ring_attention`: flash attention (arXiv 2307.08691) that reads how far the ring is filled.

A program holds a block of queries of a head and goes through the filled slots, without a mask where all are visible.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from wm_gym.kernels.choice import INTERPRETED
from wm_gym.kernels.triton.launch import Launch

LOG2_E = 1.4426950408889634


@triton.jit
@no_type_check
def _attend(
    q,
    m,
    total,
    out,
    keys,
    values,
    begin,
    end,
    filled,
    newest,
    keys_slot,
    values_slot,
    scale,
    SLOTS: tl.constexpr,
    SINK: tl.constexpr,
    WINDOW: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
    MASK: tl.constexpr,
    UPCAST: tl.constexpr,
):
    """Online softmax over slots `begin` to `end`; `m` is the running maximum, in powers of two, `total` the sum."""
    dim = tl.arange(0, BLOCK_D)
    real = dim < HEAD_DIM
    for start in range(begin, end, BLOCK_K):
        slot = start + tl.arange(0, BLOCK_K)
        key_place = keys + slot[:, None].to(tl.int64) * keys_slot + dim[None, :]
        value_place = values + slot[:, None].to(tl.int64) * values_slot + dim[None, :]
        seen = slot < filled
        if MASK:
            age = newest - (slot - SINK)
            age = tl.where(age < 0, age + (SLOTS - SINK), age)
            seen = seen & ((slot < SINK) | (age < WINDOW))
            k = tl.load(key_place, mask=seen[:, None] & real[None, :], other=0.0)
            v = tl.load(value_place, mask=seen[:, None] & real[None, :], other=0.0)
        elif HEAD_DIM == BLOCK_D:
            k = tl.load(key_place)
            v = tl.load(value_place)
        else:
            k = tl.load(key_place, mask=real[None, :], other=0.0)
            v = tl.load(value_place, mask=real[None, :], other=0.0)
        if UPCAST:
            k = k.to(tl.float32)
            v = v.to(tl.float32)
        scores = tl.dot(q, tl.trans(k), input_precision="tf32x3") * scale
        if MASK:
            scores = tl.where(seen[None, :], scores, float("-inf"))
        highest = tl.maximum(m, tl.max(scores, axis=1))
        base = highest
        if MASK:
            base = tl.where(highest == float("-inf"), 0.0, highest)  # rows that have seen nothing yet
        weights = tl.exp2(scores - base[:, None])
        decay = tl.exp2(m - base)
        total = total * decay + tl.sum(weights, axis=1)
        out = tl.dot(weights.to(v.dtype), v, out * decay[:, None], input_precision="tf32x3")
        m = highest
    return m, total, out


@triton.jit
@no_type_check
def _kernel(
    query,
    keys,
    values,
    written,
    out,
    tokens,
    query_batch,
    query_token,
    query_head,
    keys_batch,
    keys_slot,
    keys_head,
    values_batch,
    values_slot,
    values_head,
    out_batch,
    out_token,
    out_head,
    scale,
    SLOTS: tl.constexpr,
    SINK: tl.constexpr,
    WINDOW: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_K: tl.constexpr,
    UPCAST: tl.constexpr,
):
    head = tl.program_id(1).to(tl.int64)
    batch = tl.program_id(2).to(tl.int64)
    token = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    dim = tl.arange(0, BLOCK_D)
    asked = (token < tokens)[:, None] & (dim < HEAD_DIM)[None, :]
    place = query + batch * query_batch + head * query_head
    q = tl.load(place + token[:, None].to(tl.int64) * query_token + dim[None, :], mask=asked, other=0.0)
    if UPCAST:
        q = q.to(tl.float32)
    count = tl.load(written + batch)
    filled = tl.minimum(count, SLOTS).to(tl.int32)
    newest = ((count - SINK - 1) % (SLOTS - SINK)).to(tl.int32)  # unused while the sink is filling
    keys += batch * keys_batch + head * keys_head
    values += batch * values_batch + head * values_head
    m = tl.full([BLOCK_Q], float("-inf"), tl.float32)
    total = tl.zeros([BLOCK_Q], tl.float32)
    acc = tl.zeros([BLOCK_Q, BLOCK_D], tl.float32)
    clear = 0
    if WINDOW >= SLOTS - SINK:
        clear = filled // BLOCK_K * BLOCK_K
        m, total, acc = _attend(
            q, m, total, acc, keys, values, 0, clear, filled, newest, keys_slot, values_slot, scale,
            SLOTS, SINK, WINDOW, HEAD_DIM, BLOCK_D, BLOCK_K, False, UPCAST,
        )  # fmt: skip
    m, total, acc = _attend(
        q, m, total, acc, keys, values, clear, filled, filled, newest, keys_slot, values_slot, scale,
        SLOTS, SINK, WINDOW, HEAD_DIM, BLOCK_D, BLOCK_K, True, UPCAST,
    )  # fmt: skip
    place = out + batch * out_batch + head * out_head
    result = (acc / total[:, None]).to(out.dtype.element_ty)
    tl.store(place + token[:, None].to(tl.int64) * out_token + dim[None, :], result, mask=asked)


def ring_attention(
    query: Tensor, keys: Tensor, values: Tensor, written: Tensor, sink_tokens: int, window_tokens: int
) -> Tensor:
    """See `ring_attention_reference`."""
    out, launch = plan(query, keys, values, written, sink_tokens, window_tokens)
    launch.run()
    return out


def plan(
    query: Tensor, keys: Tensor, values: Tensor, written: Tensor, sink_tokens: int, window_tokens: int
) -> tuple[Tensor, Launch]:
    """The result's tensor, still empty, and the launch that fills it."""
    query, keys, values = (each if each.stride(-1) == 1 else each.contiguous() for each in (query, keys, values))
    batch, tokens, heads, head_dim = query.shape
    out = torch.empty(query.shape, dtype=query.dtype, device=query.device)
    block_d = max(16, triton.next_power_of_2(head_dim))
    full = query.dtype == torch.float32  # twice the bytes, and three multiplications for one: small blocks, no spills
    block_q = min(32 if full else 128, max(16, triton.next_power_of_2(tokens)))
    strides = {
        f"{name}_{axis}": stride
        for name, tensor, unit in (
            ("query", query, "token"),
            ("keys", keys, "slot"),
            ("values", values, "slot"),
            ("out", out, "token"),
        )
        for axis, stride in zip(("batch", unit, "head"), tensor.stride(), strict=False)
    }
    launch = Launch(
        kernel=_kernel,
        grid=(triton.cdiv(tokens, block_q), heads, batch),
        arguments={
            "query": query,
            "keys": keys,
            "values": values,
            "written": written.contiguous(),
            "out": out,
            "tokens": tokens,
            **strides,
            "scale": LOG2_E * head_dim**-0.5,
            "SLOTS": keys.shape[1],
            "SINK": sink_tokens,
            "WINDOW": window_tokens,
            "HEAD_DIM": head_dim,
            "BLOCK_D": block_d,
            "BLOCK_Q": block_q,
            "BLOCK_K": 32 if full else 64,
            "UPCAST": INTERPRETED,  # the interpreter multiplies the bit patterns of bfloat16
        },
        num_warps=8 if full or block_q * block_d >= 128 * 128 else 4,
        num_stages=2 if full else 3,
    )
    return out, launch
