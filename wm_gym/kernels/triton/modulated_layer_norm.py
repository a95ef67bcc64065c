"""Twin of `wm_gym.kernels.modulated_layer_norm`: a program a token, which reads and writes everything once."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from wm_gym.kernels.triton.launch import Launch


@triton.jit
@no_type_check
def _kernel(
    hidden,
    update,
    gate,
    scale,
    shift,
    total,
    normed,
    tokens,
    gate_tokens,
    gate_batch,
    gate_group,
    scale_tokens,
    scale_batch,
    scale_group,
    shift_tokens,
    shift_batch,
    shift_group,
    eps,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
    UPDATE: tl.constexpr,
    GATE: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    batch, token = row // tokens, row % tokens
    column = tl.arange(0, BLOCK)
    inside = column < WIDTH
    place = row * WIDTH + column
    x = tl.load(hidden + place, mask=inside, other=0.0).to(tl.float32)
    if UPDATE:
        step = tl.load(update + place, mask=inside, other=0.0).to(tl.float32)
        if GATE:
            group = batch * gate_batch + token // gate_tokens * gate_group
            step *= tl.load(gate + group + column, mask=inside, other=0.0).to(tl.float32)
        rounded = (x + step).to(total.dtype.element_ty)
        tl.store(total + place, rounded, mask=inside)
        x = rounded.to(tl.float32)
    mean = tl.sum(x, axis=0) / WIDTH
    centred = tl.where(inside, x - mean, 0.0)
    inverse = tl.rsqrt(tl.sum(centred * centred, axis=0) / WIDTH + eps)
    scale_row = batch * scale_batch + token // scale_tokens * scale_group
    shift_row = batch * shift_batch + token // shift_tokens * shift_group
    factor = 1.0 + tl.load(scale + scale_row + column, mask=inside, other=0.0).to(tl.float32)
    offset = tl.load(shift + shift_row + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(normed + place, (centred * inverse * factor + offset).to(normed.dtype.element_ty), mask=inside)


def modulated_layer_norm(hidden: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """See `modulated_layer_norm_reference`."""
    _, normed, launch = plan(hidden, None, None, scale, shift, eps)
    launch.run()
    return normed


def residual_layer_norm(
    hidden: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """See `residual_layer_norm_reference`."""
    total, normed, launch = plan(hidden, update, gate, scale, shift, eps)
    launch.run()
    return total, normed


def plan(
    hidden: Tensor, update: Tensor | None, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor, Launch]:
    """The sum's and the norm's tensors, still empty, and the launch that fills them; without an update, no sum."""
    hidden = hidden.contiguous()
    batch, tokens, width = hidden.shape
    normed = torch.empty_like(hidden)
    total = normed if update is None else torch.empty_like(hidden)
    block = triton.next_power_of_2(width)
    launch = Launch(
        kernel=_kernel,
        grid=(batch * tokens,),
        arguments={
            "hidden": hidden,
            "update": None if update is None else update.contiguous(),
            "total": total,
            "normed": normed,
            "tokens": tokens,
            **_modulation("gate", gate, tokens),
            **_modulation("scale", scale, tokens),
            **_modulation("shift", shift, tokens),
            "eps": eps,
            "WIDTH": width,
            "BLOCK": block,
            "UPDATE": update is not None,
            "GATE": gate is not None,
        },
        num_warps=min(16, max(1, block // 512)),
    )
    return total, normed, launch


def _modulation(name: str, rows: Tensor | None, tokens: int) -> dict[str, object]:
    """A modulation's arguments: the tensor, tokens a group, and the strides of batch (0 when shared) and group."""
    if rows is None:
        return {name: None, f"{name}_tokens": 1, f"{name}_batch": 0, f"{name}_group": 0}
    rows = rows if rows.stride(-1) == 1 else rows.contiguous()
    return {
        name: rows,
        f"{name}_tokens": tokens // rows.shape[1],
        f"{name}_batch": 0 if rows.shape[0] == 1 else rows.stride(0),
        f"{name}_group": rows.stride(1),
    }
