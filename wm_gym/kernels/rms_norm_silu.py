"""RMSNorm over channels and SiLU, as the residual blocks of Wan's video autoencoder have them."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize, silu

from wm_gym.kernels.choice import runs_triton, widen

EPS = 1e-12  # least norm, as in torch's normalize


def rms_norm_silu_reference(
    x: Float[Tensor, "batch channel *place"],
    weight: Float[Tensor, "channel *ones"],
    bias: Float[Tensor, "channel *ones"] | None = None,
) -> Float[Tensor, "batch channel *place"]:
    """silu(x / |x| sqrt(channels) weight + bias), |x| over channels, at least 1e-12; float32 inside, rounded once.

    diffusers' `WanRMS_norm` and SiLU; see `rms_norm_silu`.
    """
    row = (-1, *[1] * (x.ndim - 2))
    normed = normalize(widen(x), dim=1, eps=EPS) * x.shape[1] ** 0.5 * widen(weight).reshape(row)
    if bias is not None:
        normed = normed + widen(bias).reshape(row)
    return silu(normed).type_as(x)


def rms_norm_silu(
    x: Float[Tensor, "batch channel *place"],
    weight: Float[Tensor, "channel *ones"],
    bias: Float[Tensor, "channel *ones"] | None = None,
) -> Float[Tensor, "batch channel *place"]:
    """Normalise the channels of each place and apply SiLU; differentiable.

    Args:
        x: activations; if contiguous or channels last, the result is laid out alike.
        weight: factor of each channel, with `WanRMS_norm`'s axes of length 1 or without.
        bias: added to each channel; None is none.

    Raises:
        ValueError: weight or bias of another number of channels.
    """
    for name, row in (("weight", weight), ("bias", bias)):
        if row is not None and row.numel() != x.shape[1]:
            raise ValueError(f"{name} must have one number for each of {x.shape[1]} channels, got {tuple(row.shape)}")
    if runs_triton(x):
        activated: Tensor = rms_norm_silu_op(_dense(x), weight, bias)
        return activated
    return rms_norm_silu_reference(x, weight, bias)


def _dense(x: Tensor) -> Tensor:
    """The tensor as it is where its places have one stride and nothing lies between, else a contiguous copy."""
    channels_last = {4: torch.channels_last, 5: torch.channels_last_3d}.get(x.ndim, torch.contiguous_format)
    return x if x.is_contiguous(memory_format=channels_last) else x.contiguous()


@torch.library.custom_op("wm_gym::rms_norm_silu", mutates_args=())
def rms_norm_silu_op(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The operation as torch.compile sees it."""
    if runs_triton(x):
        from wm_gym.kernels.triton import rms_norm_silu as twin

        return twin.rms_norm_silu(x, weight, bias, EPS)
    return torch.empty_like(x).copy_(rms_norm_silu_reference(x, weight, bias))


@rms_norm_silu_op.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.empty_like(x)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """With u = x / |x| and z = s u + bias, s = sqrt(channels) weight: d x = (d u - u (u . d u)) / |x|."""
    x, weight, bias = ctx.saved_tensors
    others = [0, *range(2, x.ndim)]
    row = (-1, *[1] * (x.ndim - 2))
    wide = widen(x)
    norm = wide.norm(dim=1, keepdim=True).clamp_min(EPS)
    unit, factor = wide / norm, x.shape[1] ** 0.5 * widen(weight).reshape(row)
    z = unit * factor + (0 if bias is None else widen(bias).reshape(row))
    gate = z.sigmoid()
    of_z = widen(grad) * gate * (1 + z * (1 - gate))
    of_unit = of_z * factor
    of_x = (of_unit - unit * (unit * of_unit).sum(dim=1, keepdim=True)) / norm
    of_weight = (of_z * unit).sum(dim=others) * x.shape[1] ** 0.5
    of_bias = None if bias is None else of_z.sum(dim=others).reshape(bias.shape).type_as(bias)
    return of_x.type_as(x), of_weight.reshape(weight.shape).type_as(weight), of_bias


rms_norm_silu_op.register_autograd(_backward, setup_context=_save)
