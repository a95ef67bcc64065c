"""The sampler's step: against the scheduler of diffusers, float64, and the twin against both."""

from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from tests.kernels.errors import CHECKS, DTYPES, assert_exact, draw, exact
from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.kernels import flow_step as kernel

SHAPE = (2, 3, 4, 5, 7)
KINDS: dict[str, tuple[str, ...]] = {
    "velocity": (),
    "velocity, guided": ("unguided",),
    "velocity, guided, with noise": ("unguided", "noise"),
    "clean": (),
    "clean, with noise": ("noise",),
    "residual, guided": ("unguided",),
}


def step_arguments(kind: str, **place: Any) -> dict[str, Any]:
    target = kind.split(",")[0]
    arguments: dict[str, Any] = {
        "noisy": draw(*SHAPE, **place),
        "output": draw(*SHAPE, seed=1, **place),
        "sigma": torch.tensor([[0.9, 0.5, 0.7], [1.0, 0.6, 0.2]]).to(place.get("place", "cpu")),
        "next_sigma": torch.tensor([[0.4], [0.0]]).to(place.get("place", "cpu")),
        "prediction_target": target,
        "guidance_scale": 4.5,
    }
    for seed, name in enumerate(KINDS[kind]):
        arguments[name] = draw(*SHAPE, seed=2 + seed, **place)
    if target == "residual":
        arguments["last"] = draw(2, 1, *SHAPE[2:], seed=4, **place)
    return arguments


def operands(arguments: dict[str, Any]) -> tuple[Any, ...]:
    """The operation's arguments in order."""
    names = (
        "noisy",
        "output",
        "sigma",
        "next_sigma",
        "prediction_target",
        "last",
        "unguided",
        "guidance_scale",
        "noise",
    )
    return tuple(arguments.get(name) for name in names)


@pytest.mark.parametrize("renoised", [False, True])
def test_step_is_the_schedulers(renoised: bool) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(stochastic_sampling=renoised)
    scheduler.set_timesteps(sigmas=[0.9, 0.4])
    noisy, velocity = draw(*SHAPE, dtype=torch.float32), draw(*SHAPE, dtype=torch.float32, seed=1)
    generator = torch.Generator().manual_seed(5)
    expected = scheduler.step(velocity, scheduler.timesteps[0], noisy, generator=generator).prev_sample
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(5)) if renoised else None
    sigma, next_sigma = (scheduler.sigmas[n].expand(2, 1) for n in range(2))
    assert_near(kernel.flow_step(noisy, velocity, sigma, next_sigma, noise=noise), expected)


def test_targets_agree_on_the_same_clean_latents() -> None:
    arguments = step_arguments("velocity", dtype=torch.float64)
    noisy, sigma, next_sigma = arguments["noisy"], arguments["sigma"].double(), arguments["next_sigma"].double()
    clean = noisy - sigma[..., None, None, None] * arguments["output"]
    last = draw(2, 1, *SHAPE[2:], dtype=torch.float64)
    expected = kernel.flow_step(noisy, arguments["output"], sigma, next_sigma)
    assert_near(kernel.flow_step(noisy, clean, sigma, next_sigma, prediction_target="clean"), expected)
    residual = kernel.flow_step(noisy, clean - last, sigma, next_sigma, prediction_target="residual", last=last)
    assert_near(residual, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_the_operation_are_those_of_finite_differences(kind: str) -> None:
    arguments = exact(step_arguments(kind, dtype=torch.float64))
    for name in ("noisy", "output", "last", "unguided", "noise"):
        if name in arguments:
            arguments[name] = arguments[name][:, :, :1, :1, :2].clone().requires_grad_()
    torch.autograd.gradcheck(kernel.flow_step_op, operands(arguments))


def test_operation_is_registered_soundly() -> None:
    arguments = exact(step_arguments("velocity, guided, with noise", dtype=torch.float64))
    arguments["output"].requires_grad_()
    torch.library.opcheck(kernel.flow_step_op, operands(arguments), test_utils=CHECKS)


def test_misfits_are_refused() -> None:
    arguments = step_arguments("velocity", dtype=torch.float32)
    with unchecked(), pytest.raises(ValueError, match="prediction_target must be one of"):
        kernel.flow_step(**{**arguments, "prediction_target": "noise"})
    with (
        unchecked(),
        pytest.raises(ValueError, match='last must be given for "residual" alone, got none for "residual"'),
    ):
        kernel.flow_step(**{**arguments, "prediction_target": "residual"})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_twin_is_exact(place: str, dtype: torch.dtype, kind: str) -> None:
    arguments = step_arguments(kind, dtype=dtype, place=place)
    assert_exact(kernel.flow_step(**arguments), kernel.flow_step_reference(**exact(arguments)), dtype)


def test_twin_keeps_the_dtype_of_the_latents(place: str) -> None:
    arguments = step_arguments("velocity, guided", dtype=torch.bfloat16, place=place)
    arguments["noisy"] = draw(*SHAPE, dtype=torch.float32, place=place)
    assert_exact(kernel.flow_step(**arguments), kernel.flow_step_reference(**exact(arguments)), torch.float32)


def test_gradients_through_the_twin_are_the_references(place: str) -> None:
    arguments = step_arguments("residual, guided", dtype=torch.float32, place=place)
    values = [arguments[name].requires_grad_() for name in ("noisy", "output", "last", "unguided")]
    weight = draw(*SHAPE, dtype=torch.float32, place=place, seed=9)
    expected = torch.autograd.grad(kernel.flow_step_reference(**arguments), values, weight)
    for one, other in zip(torch.autograd.grad(kernel.flow_step(**arguments), values, weight), expected, strict=True):
        assert_exact(one, other.double(), torch.float32)
