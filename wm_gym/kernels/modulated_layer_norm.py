"""LayerNorm with adaLN modulation, alone or behind a gated residual: what stands between Wan's attentions and MLP."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import layer_norm

from wm_gym.kernels.choice import runs_triton, widen

Gradients = tuple[Tensor | None, ...]


def modulated_layer_norm_reference(
    hidden: Float[Tensor, "batch tokens width"],
    scale: Float[Tensor, "#batch groups width"],
    shift: Float[Tensor, "#batch groups width"],
    eps: float = 1e-6,
) -> Float[Tensor, "batch tokens width"]:
    """LayerNorm(hidden) (1 + scale) + shift, as `WanTransformerBlock` has it: float32 inside, rounded once.

    See `modulated_layer_norm`.
    """
    normed: Tensor = layer_norm(widen(hidden), hidden.shape[-1:], eps=eps).unflatten(1, (scale.shape[1], -1))
    modulated = normed * (1 + widen(scale)[:, :, None]) + widen(shift)[:, :, None]
    return modulated.flatten(1, 2).type_as(hidden)


def residual_layer_norm_reference(
    hidden: Float[Tensor, "batch tokens width"],
    update: Float[Tensor, "batch tokens width"],
    gate: Float[Tensor, "#batch gates width"] | None,
    scale: Float[Tensor, "#batch groups width"],
    shift: Float[Tensor, "#batch groups width"],
    eps: float = 1e-6,
) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch tokens width"]]:
    """The sum is hidden + update gate, rounded as it is stored; its norm LayerNorm(sum) (1 + scale) + shift.

    See `residual_layer_norm`.
    """
    step = widen(update)
    if gate is not None:
        step = (step.unflatten(1, (gate.shape[1], -1)) * widen(gate)[:, :, None]).flatten(1, 2)
    total = (widen(hidden) + step).type_as(hidden)
    return total, modulated_layer_norm_reference(total, scale, shift, eps)


def modulated_layer_norm(
    hidden: Float[Tensor, "batch tokens width"],
    scale: Float[Tensor, "#batch groups width"],
    shift: Float[Tensor, "#batch groups width"],
    eps: float = 1e-6,
) -> Float[Tensor, "batch tokens width"]:
    """Normalise each token and modulate it by its group; differentiable.

    Args:
        hidden: the residual stream.
        scale: added to 1; `tokens / groups` consecutive tokens share a row (a chunk, a frame, a token). An affine
            LayerNorm is scale = weight - 1 and shift = bias, in one group.
        shift: in the same layout.
        eps: added to the variance.

    Returns:
        In the dtype of `hidden`.

    Raises:
        ValueError: `groups` does not divide `tokens`.
    """
    _check_groups(hidden, scale, shift)
    if runs_triton(hidden):
        normed: Tensor = modulated_layer_norm_op(hidden, scale, shift, eps)
        return normed
    return modulated_layer_norm_reference(hidden, scale, shift, eps)


def residual_layer_norm(
    hidden: Float[Tensor, "batch tokens width"],
    update: Float[Tensor, "batch tokens width"],
    gate: Float[Tensor, "#batch gates width"] | None,
    scale: Float[Tensor, "#batch groups width"],
    shift: Float[Tensor, "#batch groups width"],
    eps: float = 1e-6,
) -> tuple[Float[Tensor, "batch tokens width"], Float[Tensor, "batch tokens width"]]:
    """Add a layer's gated output to the residual stream and normalise the sum for the next layer; differentiable.

    Args:
        hidden: the residual stream.
        update: what attention or the MLP made.
        gate: factor of the update, `tokens / gates` consecutive tokens share a row; None is 1.
        scale: see `modulated_layer_norm`.
        shift: see `modulated_layer_norm`.
        eps: added to the variance.

    Returns:
        The residual stream with the update, and its modulated norm, both in the dtype of `hidden`.

    Raises:
        ValueError: `groups` does not divide `tokens`.
    """
    _check_groups(hidden, scale, shift, *([] if gate is None else [gate]))
    if runs_triton(hidden):
        sums: tuple[Tensor, Tensor] = residual_layer_norm_op(hidden, update, gate, scale, shift, eps)
        return sums
    return residual_layer_norm_reference(hidden, update, gate, scale, shift, eps)


@torch.library.custom_op("wm_gym::modulated_layer_norm", mutates_args=())
def modulated_layer_norm_op(hidden: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    """The operation as torch.compile sees it."""
    if runs_triton(hidden):
        from wm_gym.kernels.triton import modulated_layer_norm as twin

        return twin.modulated_layer_norm(hidden, scale, shift, eps)
    return modulated_layer_norm_reference(hidden, scale, shift, eps).contiguous()


@torch.library.custom_op("wm_gym::residual_layer_norm", mutates_args=())
def residual_layer_norm_op(
    hidden: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The operation as torch.compile sees it."""
    if runs_triton(hidden):
        from wm_gym.kernels.triton import modulated_layer_norm as twin

        return twin.residual_layer_norm(hidden, update, gate, scale, shift, eps)
    total, normed = residual_layer_norm_reference(hidden, update, gate, scale, shift, eps)
    return total.contiguous(), normed.contiguous()


@modulated_layer_norm_op.register_fake
def _(hidden: Tensor, scale: Tensor, shift: Tensor, eps: float) -> Tensor:
    return hidden.new_empty(hidden.shape)


@residual_layer_norm_op.register_fake
def _(
    hidden: Tensor, update: Tensor, gate: Tensor | None, scale: Tensor, shift: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    return hidden.new_empty(hidden.shape), hidden.new_empty(hidden.shape)


def _save_norm(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    hidden, scale, _, eps = inputs
    ctx.save_for_backward(hidden, scale)
    ctx.eps = eps


def _norm_backward(ctx: Any, grad: Tensor) -> Gradients:
    hidden, scale = ctx.saved_tensors
    return *_norm_gradients(hidden, scale, grad, ctx.eps), None


def _save_residual(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    _, update, gate, scale, _, eps = inputs
    total, _ = output
    ctx.save_for_backward(total, update, gate, scale)
    ctx.eps = eps


def _residual_backward(ctx: Any, grad_total: Tensor, grad_normed: Tensor) -> Gradients:
    total, update, gate, scale = ctx.saved_tensors
    through_norm, grad_scale, grad_shift = _norm_gradients(total, scale, grad_normed, ctx.eps)
    grad_hidden = grad_total + through_norm
    if gate is None:
        return grad_hidden, grad_hidden.type_as(update), None, grad_scale, grad_shift, None
    grouped = widen(grad_hidden).unflatten(1, (gate.shape[1], -1))
    grad_update = (grouped * widen(gate)[:, :, None]).flatten(1, 2).type_as(update)
    grad_gate = _sum_groups(grouped * widen(update).unflatten(1, (gate.shape[1], -1)), gate)
    return grad_hidden, grad_update, grad_gate, grad_scale, grad_shift, None


modulated_layer_norm_op.register_autograd(_norm_backward, setup_context=_save_norm)
residual_layer_norm_op.register_autograd(_residual_backward, setup_context=_save_residual)


def _norm_gradients(hidden: Tensor, scale: Tensor, grad: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of hidden, scale and shift; d hidden = (g - mean g - n mean(g n)) / std, g = grad (1 + scale)."""
    wide, groups = widen(hidden), (scale.shape[1], -1)
    variance, mean = torch.var_mean(wide, dim=-1, correction=0, keepdim=True)
    inverse = torch.rsqrt(variance + eps)
    normed = (wide - mean) * inverse
    grouped = widen(grad).unflatten(1, groups)
    grad_scale = _sum_groups(grouped * normed.unflatten(1, groups), scale)
    grad_shift = _sum_groups(grouped, scale)
    inner = (grouped * (1 + widen(scale)[:, :, None])).flatten(1, 2)
    centred = inner - inner.mean(-1, keepdim=True) - normed * (inner * normed).mean(-1, keepdim=True)
    return (centred * inverse).type_as(hidden), grad_scale, grad_shift


def _sum_groups(grad: Tensor, like: Tensor) -> Tensor:
    """Sum over a group's tokens, and over the batch where one row serves all."""
    summed = grad.sum(dim=2)
    return (summed if like.shape[0] == len(summed) else summed.sum(dim=0, keepdim=True)).type_as(like)


def _check_groups(hidden: Tensor, *modulations: Tensor) -> None:
    tokens = hidden.shape[1]
    for modulation in modulations:
        if tokens % modulation.shape[1]:
            raise ValueError(f"groups must divide the {tokens} tokens, got {modulation.shape[1]}")
