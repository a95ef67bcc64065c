"""RMSNorm and SiLU of the video autoencoder: against diffusers' modules, float64, and the twin against both."""

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanRMS_norm
from torch import Tensor
from torch.nn.functional import silu

from tests.kernels.errors import CHECKS, DTYPES, assert_exact, draw, exact
from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.kernels import rms_norm_silu as kernel

SHAPES = [(1, 3, 2, 3, 5), (2, 33, 3, 4, 6), (1, 96, 1, 7, 20), (2, 6, 5, 7)]


def norm_arguments(shape: tuple[int, ...], **kind: Any) -> dict[str, Any]:
    return {
        "x": 3 * draw(*shape, **kind),
        "weight": draw(shape[1], seed=1, **kind),
        "bias": draw(shape[1], seed=2, **kind),
    }


@pytest.mark.parametrize("bias", [False, True])
def test_reference_is_wans(bias: bool) -> None:
    norm = WanRMS_norm(33, images=False, bias=bias)
    torch.nn.init.normal_(norm.gamma)
    x = draw(2, 33, 3, 4, 6, dtype=torch.float32)
    x[0, :, 0, 0, 0] = 0  # the least norm counts
    actual = kernel.rms_norm_silu(x, norm.gamma, norm.bias if bias else None)
    assert_near(actual, silu(norm(x)))


@pytest.mark.parametrize("bias", [False, True])
def test_gradients_of_the_operation_are_those_of_finite_differences(bias: bool) -> None:
    values = [value.requires_grad_() for value in norm_arguments((2, 3, 1, 2, 2), dtype=torch.float64).values()]
    operands: tuple[Any, ...] = (*values[:2], values[2] if bias else None)
    torch.autograd.gradcheck(kernel.rms_norm_silu_op, operands)


def test_operation_is_registered_soundly() -> None:
    values = [value.requires_grad_() for value in norm_arguments((2, 3, 2, 2, 2), dtype=torch.float64).values()]
    torch.library.opcheck(kernel.rms_norm_silu_op, tuple(values), test_utils=CHECKS)


def test_misfits_are_refused() -> None:
    arguments = norm_arguments((2, 3, 2, 2, 2), dtype=torch.float32)
    with unchecked(), pytest.raises(ValueError, match="bias must have one number for each of 3 channels"):
        kernel.rms_norm_silu(
            arguments["x"], arguments["weight"][:, None, None, None], arguments["bias"][:2, None, None, None]
        )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin_is_exact(place: str, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    arguments = norm_arguments(shape, dtype=dtype, place=place)
    assert_exact(kernel.rms_norm_silu(**arguments), kernel.rms_norm_silu_reference(**exact(arguments)), dtype)


def test_twin_takes_wans_weight_and_no_bias(place: str) -> None:
    x, weight = (
        draw(2, 33, 3, 4, 6, dtype=torch.bfloat16, place=place),
        draw(33, 1, 1, 1, dtype=torch.float32, place=place),
    )
    expected = kernel.rms_norm_silu_reference(x.double(), weight.double())
    assert_exact(kernel.rms_norm_silu(x, weight), expected, torch.bfloat16)


@pytest.mark.parametrize(
    "arrange",
    [
        lambda x: x.to(memory_format=torch.channels_last_3d),
        lambda x: x.transpose(2, 4),
        lambda x: torch.cat([x, x], dim=1)[:, :33],
        lambda x: x.expand(4, -1, -1, -1, -1),
    ],
    ids=["channels last", "transposed", "slice", "expanded"],
)
def test_twin_takes_any_layout(place: str, arrange: Any) -> None:
    arguments = norm_arguments((1, 33, 3, 4, 6), dtype=torch.float32, place=place)
    arguments["x"] = arrange(arguments["x"])
    actual = kernel.rms_norm_silu(**arguments)
    assert_exact(actual, kernel.rms_norm_silu_reference(**exact(arguments)), torch.float32)


def test_twin_keeps_channels_last(place: str) -> None:
    arguments = norm_arguments((2, 33, 3, 4, 6), dtype=torch.float32, place=place)
    arguments["x"] = arguments["x"].to(memory_format=torch.channels_last_3d)
    assert kernel.rms_norm_silu(**arguments).stride() == arguments["x"].stride()


def test_gradients_through_the_twin_are_the_references(place: str) -> None:
    arguments = norm_arguments((2, 33, 3, 4, 6), dtype=torch.float32, place=place)
    values: list[Tensor] = [value.requires_grad_() for value in arguments.values()]
    weight = draw(2, 33, 3, 4, 6, dtype=torch.float32, place=place, seed=9)
    wide = (value.double() for value in values)
    expected = torch.autograd.grad(kernel.rms_norm_silu_reference(*wide), values, weight.double())
    for one, other in zip(torch.autograd.grad(kernel.rms_norm_silu(*values), values, weight), expected, strict=True):
        assert_exact(one, other.double(), torch.float32)
