"""LayerNorm with modulation: against diffusers, float64, finite differences, and the twin against both."""

from typing import Any

import pytest
import torch
from diffusers.models.normalization import FP32LayerNorm
from torch import Tensor

from tests.kernels.errors import CHECKS, DTYPES, assert_exact, draw, exact
from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.kernels import modulated_layer_norm as kernel

SHAPES = [(1, 5, 16, 1), (2, 6, 33, 3), (3, 4, 1536, 4)]  # batch, tokens, width, groups


def norm_arguments(batch: int, tokens: int, width: int, groups: int, **kind: Any) -> dict[str, Any]:
    return {
        "hidden": 3 + 2 * draw(batch, tokens, width, **kind),
        "scale": draw(batch, groups, width, seed=1, **kind),
        "shift": draw(1, groups, width, seed=2, **kind),
    }


def residual_arguments(batch: int, tokens: int, width: int, groups: int, **kind: Any) -> dict[str, Any]:
    update, gate = draw(batch, tokens, width, seed=3, **kind), draw(batch, 1, width, seed=4, **kind)
    return {**norm_arguments(batch, tokens, width, groups, **kind), "update": update, "gate": gate}


def test_reference_is_wans() -> None:
    arguments = norm_arguments(2, 6, 33, 1, dtype=torch.float32)
    norm = FP32LayerNorm(33, 1e-6, elementwise_affine=False)
    expected = norm(arguments["hidden"]) * (1 + arguments["scale"]) + arguments["shift"]
    assert_near(kernel.modulated_layer_norm(**arguments), expected)


def test_an_affine_norm_is_a_modulation() -> None:
    norm = torch.nn.LayerNorm(33, eps=1e-6)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    hidden = draw(2, 6, 33, dtype=torch.float32)
    actual = kernel.modulated_layer_norm(hidden, norm.weight[None, None] - 1, norm.bias[None, None])
    assert_near(actual, norm(hidden))


def test_reference_keeps_the_dtype_of_the_stream() -> None:
    arguments = residual_arguments(2, 6, 33, 3, dtype=torch.float32)
    arguments["hidden"] = arguments["hidden"].bfloat16()
    total, normed = kernel.residual_layer_norm(**arguments)
    assert total.dtype == normed.dtype == torch.bfloat16


@pytest.mark.parametrize("gated", [False, True])
def test_gradients_of_the_operation_are_those_of_finite_differences(gated: bool) -> None:
    inputs = residual_arguments(2, 6, 5, 3, dtype=torch.float64)
    names = ["hidden", "update", "gate", "scale", "shift"]
    if not gated:
        inputs["gate"] = None
    values: list[Any] = [None if inputs[name] is None else inputs[name].requires_grad_() for name in names]
    values.append(1e-6)
    torch.autograd.gradcheck(kernel.residual_layer_norm_op, tuple(values))
    torch.autograd.gradcheck(kernel.modulated_layer_norm_op, (values[0], *values[3:]))


def test_operations_are_registered_soundly() -> None:
    inputs = residual_arguments(2, 6, 5, 3, dtype=torch.float64)
    values = [inputs[name].requires_grad_() for name in ("hidden", "update", "gate", "scale", "shift")]
    torch.library.opcheck(kernel.residual_layer_norm_op, (*values, 1e-6), test_utils=CHECKS)
    torch.library.opcheck(kernel.modulated_layer_norm_op, (values[0], *values[3:], 1e-6), test_utils=CHECKS)


def test_groups_must_divide_the_tokens() -> None:
    arguments = norm_arguments(2, 6, 33, 1, dtype=torch.float32)
    with unchecked(), pytest.raises(ValueError, match="groups must divide the 6 tokens, got 4"):
        kernel.modulated_layer_norm(arguments["hidden"], draw(2, 4, 33, dtype=torch.float32), arguments["shift"])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin_is_exact(place: str, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> None:
    arguments = norm_arguments(*shape, dtype=dtype, place=place)
    expected = kernel.modulated_layer_norm_reference(**exact(arguments))
    assert_exact(kernel.modulated_layer_norm(**arguments), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gated", [False, True])
def test_twin_with_residual_is_exact(place: str, dtype: torch.dtype, gated: bool) -> None:
    arguments = residual_arguments(2, 6, 33, 3, dtype=dtype, place=place)
    if not gated:
        arguments["gate"] = None
    total, normed = kernel.residual_layer_norm(**arguments)
    assert_exact(total, kernel.residual_layer_norm_reference(**exact(arguments))[0], dtype)
    names = ("scale", "shift")
    modulation = {name: arguments[name].double() for name in names}
    assert_exact(normed, kernel.modulated_layer_norm_reference(total.double(), **modulation), dtype)


def test_twin_takes_slices_of_a_modulation_table(place: str) -> None:
    table = draw(2, 6, 48, dtype=torch.float32, place=place)
    hidden = draw(2, 5, 48, dtype=torch.bfloat16, place=place, seed=1)
    shift, scale, _ = table[:, :3].chunk(3, dim=1)
    expected = kernel.modulated_layer_norm_reference(hidden.double(), scale.double(), shift.double())
    assert_exact(kernel.modulated_layer_norm(hidden, scale, shift), expected, torch.bfloat16)


def test_gradients_through_the_twin_are_the_references(place: str) -> None:
    inputs = residual_arguments(2, 6, 33, 3, dtype=torch.float32, place=place)
    names = list(inputs)
    values = [inputs[name].requires_grad_() for name in names]

    def gradients(outputs: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
        weights = [draw(*each.shape, dtype=each.dtype, place=place, seed=9 + n) for n, each in enumerate(outputs)]
        return torch.autograd.grad(outputs, values, weights)

    expected = gradients(kernel.residual_layer_norm_reference(**inputs))
    for actual, wanted in zip(gradients(kernel.residual_layer_norm(**inputs)), expected, strict=True):
        assert_exact(actual, wanted.double(), torch.float32)
