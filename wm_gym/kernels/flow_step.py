"""One step of the sampler: guidance, the clean latents that the network means, and the next noise level."""

from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.kernels.choice import runs_triton, widen

PredictionTarget = Literal["residual", "clean", "velocity"]


def flow_step_reference(
    noisy: Float[Tensor, "batch frames channel h w"],
    output: Float[Tensor, "batch frames channel h w"],
    sigma: Float[Tensor, "batch #frames"],
    next_sigma: Float[Tensor, "batch #frames"],
    *,
    prediction_target: PredictionTarget = "velocity",
    last: Float[Tensor, "batch 1 channel h w"] | None = None,
    unguided: Float[Tensor, "batch frames channel h w"] | None = None,
    guidance_scale: float = 1.0,
    noise: Float[Tensor, "batch frames channel h w"] | None = None,
) -> Float[Tensor, "batch frames channel h w"]:
    """Clean latents are noisy - sigma o, o or last + o, by target; o = unguided + guidance_scale (output - unguided).

    Euler goes to clean + next_sigma / sigma (noisy - clean); with noise, to (1 - next_sigma) clean + next_sigma noise.
    See `flow_step`.
    """
    x, guided = widen(noisy), widen(output)
    if unguided is not None:
        guided = widen(unguided) + guidance_scale * (guided - widen(unguided))
    level, next_level = (widen(each)[..., None, None, None] for each in (sigma, next_sigma))
    match prediction_target:
        case "velocity":
            clean = x - level * guided
        case "clean":
            clean = guided
        case "residual":
            assert last is not None, "checked before"
            clean = widen(last) + guided
    if noise is not None:
        return ((1 - next_level) * clean + next_level * widen(noise)).type_as(noisy)
    return (clean + next_level / level * (x - clean)).type_as(noisy)


def flow_step(
    noisy: Float[Tensor, "batch frames channel h w"],
    output: Float[Tensor, "batch frames channel h w"],
    sigma: Float[Tensor, "batch #frames"],
    next_sigma: Float[Tensor, "batch #frames"],
    *,
    prediction_target: PredictionTarget = "velocity",
    last: Float[Tensor, "batch 1 channel h w"] | None = None,
    unguided: Float[Tensor, "batch frames channel h w"] | None = None,
    guidance_scale: float = 1.0,
    noise: Float[Tensor, "batch frames channel h w"] | None = None,
) -> Float[Tensor, "batch frames channel h w"]:
    """Latents at the next noise level; at `next_sigma` 0 the clean ones. Differentiable but for the noise levels.

    Args:
        noisy: latents at noise level `sigma`.
        output: what the network said, given the conditions.
        sigma: noise level in (0, 1] of each world, or of each of its frames.
        next_sigma: the level to go to, in [0, sigma].
        prediction_target: what the output means: the velocity noise - clean, the clean latents, or those minus the
            last frame.
        last: the last clean frame; of "residual" only.
        unguided: what the network said without conditions; None is no guidance.
        guidance_scale: weight of classifier-free guidance (arXiv 2207.12598), 1 is off; any without `unguided`.
        noise: fresh noise for the next level, as consistency sampling draws it (arXiv 2303.01469, algorithm 1); None
            is Euler's step along the flow.

    Raises:
        ValueError: an unknown target, or `last` without "residual" or the other way round.
    """
    if prediction_target not in get_args(PredictionTarget):
        raise ValueError(f"prediction_target must be one of {get_args(PredictionTarget)}, got {prediction_target!r}")
    if (last is not None) != (prediction_target == "residual"):
        given = "none" if last is None else "one"
        raise ValueError(f'last must be given for "residual" alone, got {given} for "{prediction_target}"')
    if runs_triton(noisy):
        stepped: Tensor = flow_step_op(
            noisy, output, sigma, next_sigma, prediction_target, last, unguided, guidance_scale, noise
        )
        return stepped
    return flow_step_reference(
        noisy,
        output,
        sigma,
        next_sigma,
        prediction_target=prediction_target,
        last=last,
        unguided=unguided,
        guidance_scale=guidance_scale,
        noise=noise,
    )


@torch.library.custom_op("wm_gym::flow_step", mutates_args=())
def flow_step_op(
    noisy: Tensor,
    output: Tensor,
    sigma: Tensor,
    next_sigma: Tensor,
    prediction_target: str,
    last: Tensor | None,
    unguided: Tensor | None,
    guidance_scale: float,
    noise: Tensor | None,
) -> Tensor:
    """The operation as torch.compile sees it."""
    if runs_triton(noisy):
        from wm_gym.kernels.triton import flow_step as twin

        return twin.flow_step(
            noisy, output, sigma, next_sigma, prediction_target, last, unguided, guidance_scale, noise
        )
    return flow_step_reference(
        noisy,
        output,
        sigma,
        next_sigma,
        prediction_target=prediction_target,  # type: ignore[arg-type]  # an op's text is any text
        last=last,
        unguided=unguided,
        guidance_scale=guidance_scale,
        noise=noise,
    ).contiguous()


@flow_step_op.register_fake
def _(
    noisy: Tensor,
    output: Tensor,
    sigma: Tensor,
    next_sigma: Tensor,
    prediction_target: str,
    last: Tensor | None,
    unguided: Tensor | None,
    guidance_scale: float,
    noise: Tensor | None,
) -> Tensor:
    return noisy.new_empty(noisy.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    noisy, said, sigma, next_sigma, target, last, unguided, guidance_scale, noise = inputs
    ctx.save_for_backward(sigma, next_sigma)
    tensors = (noisy, said, last, unguided, noise)
    ctx.dtypes = [tensor.dtype if isinstance(tensor, Tensor) else None for tensor in tensors]
    ctx.kind = (target, guidance_scale)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    """The step is linear: next = (1 - r) clean + r noisy with r = next_sigma / sigma, or the same with noise."""
    sigma, next_sigma = (widen(level)[..., None, None, None] for level in ctx.saved_tensors)
    noisy, said, last, unguided, noise = ctx.dtypes
    target, guidance_scale = ctx.kind
    wide, ratio = widen(grad), next_sigma / sigma
    of_clean = wide * (1 - ratio if noise is None else 1 - next_sigma)
    of_noisy = wide * ratio if noise is None else torch.zeros_like(wide)
    of_said = of_clean
    if target == "velocity":
        of_noisy, of_said = of_noisy + of_clean, -sigma * of_clean
    return (
        of_noisy.to(noisy),
        (of_said if unguided is None else guidance_scale * of_said).to(said),
        *(None, None, None),
        None if last is None else of_clean.sum(dim=1, keepdim=True).to(last),
        None if unguided is None else ((1 - guidance_scale) * of_said).to(unguided),
        None,
        None if noise is None else (wide * next_sigma).to(noise),
    )


flow_step_op.register_autograd(_backward, setup_context=_save)
