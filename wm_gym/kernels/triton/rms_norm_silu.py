"""Twin of `wm_gym.kernels.rms_norm_silu`: a program a few places with all their channels, read and written once."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

from wm_gym.kernels.choice import INTERPRETED
from wm_gym.kernels.triton.launch import Launch


@triton.jit
@no_type_check
def _kernel(
    x,
    weight,
    bias,
    out,
    places,
    x_batch,
    x_channel,
    x_place,
    scale,
    eps,
    CHANNELS: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
    BIAS: tl.constexpr,
):
    channel = tl.arange(0, BLOCK_C)
    place = tl.program_id(0).to(tl.int64) * BLOCK_P + tl.arange(0, BLOCK_P)
    real = channel < CHANNELS
    inside = real[:, None] & (place < places)[None, :]
    offset = tl.program_id(1).to(tl.int64) * x_batch
    offset += channel[:, None].to(tl.int64) * x_channel + place[None, :] * x_place
    row = tl.load(x + offset, mask=inside, other=0.0).to(tl.float32)
    norm = tl.maximum(tl.sqrt(tl.sum(row * row, axis=0)), eps)
    factor = tl.load(weight + channel, mask=real, other=0.0).to(tl.float32) * scale
    z = row / norm[None, :] * factor[:, None]
    if BIAS:
        z += tl.load(bias + channel, mask=real, other=0.0).to(tl.float32)[:, None]
    tl.store(out + offset, (z * tl.sigmoid(z)).to(out.dtype.element_ty), mask=inside)


def rms_norm_silu(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> Tensor:
    """See `rms_norm_silu_reference`."""
    out, launch = plan(x, weight, bias, eps)
    launch.run()
    return out


def plan(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> tuple[Tensor, Launch]:
    """The result's tensor, still empty, and the launch that fills it; `x` is contiguous or channels last."""
    out = torch.empty_like(x)
    channels, places = x.shape[1], x[0, 0].numel()
    block_c = triton.next_power_of_2(channels)
    block_p = max(16, min(8192 // block_c, 4096 if INTERPRETED else 128))
    launch = Launch(
        kernel=_kernel,
        grid=(triton.cdiv(places, block_p), x.shape[0]),
        arguments={
            "x": x,
            "weight": weight.contiguous(),
            "bias": None if bias is None else bias.contiguous(),
            "out": out,
            "places": places,
            "x_batch": x.stride(0),
            "x_channel": x.stride(1),
            "x_place": _place_stride(x),
            "scale": float(channels**0.5),
            "eps": eps,
            "CHANNELS": channels,
            "BLOCK_C": block_c,
            "BLOCK_P": block_p,
            "BIAS": bias is not None,
        },
        num_warps=8 if block_c * block_p >= 8192 else 4,
    )
    return out, launch


def _place_stride(x: Tensor) -> int:
    """The one stride of all axes behind the channels taken as one: of the last axis that is longer than 1."""
    return next((stride for size, stride in zip(x.shape[:1:-1], x.stride()[:1:-1], strict=True) if size > 1), 1)
