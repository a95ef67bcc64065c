"""`torch.compile` takes every public function as one graph: the twins as operations, the references as they are.

Without the type checkers, which no compiler reads: in the process that `test_interpreter.py` starts, and on a GPU.
"""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.kernels import test_flow_step, test_modulated_layer_norm, test_qk_norm_rope, test_ring_attention
from tests.kernels.errors import draw
from wm_gym.kernels.flow_step import flow_step
from wm_gym.kernels.modulated_layer_norm import modulated_layer_norm, residual_layer_norm
from wm_gym.kernels.qk_norm_rope import qk_norm_rope, qk_norm_rope_write
from wm_gym.kernels.ring_attention import ring_attention
from wm_gym.kernels.rms_norm_silu import rms_norm_silu

Case = Callable[..., dict[str, Any]]


def ring_case(**kind: Any) -> dict[str, Any]:
    arguments = test_ring_attention.ring_arguments(2, 3, 2, 8, 20, **kind)
    return {**arguments, "written": test_ring_attention.counts(7, 40, place=kind["place"]), "sink_tokens": 4}


CASES: dict[str, tuple[Callable[..., Any], Case]] = {
    "modulated_layer_norm": (
        modulated_layer_norm,
        lambda **kind: test_modulated_layer_norm.norm_arguments(2, 6, 33, 3, **kind),
    ),
    "residual_layer_norm": (
        residual_layer_norm,
        lambda **kind: test_modulated_layer_norm.residual_arguments(2, 6, 33, 3, **kind),
    ),
    "qk_norm_rope": (qk_norm_rope, lambda **kind: test_qk_norm_rope.rope_arguments(2, 3, 2, 4, **kind)),
    "qk_norm_rope_write": (
        qk_norm_rope_write,
        lambda **kind: test_qk_norm_rope.ring_arguments(2, 3, 2, 4, slots=9, **kind),
    ),
    "ring_attention": (ring_attention, ring_case),
    "flow_step": (flow_step, lambda **kind: test_flow_step.step_arguments("residual, guided", **kind)),
    "rms_norm_silu": (
        rms_norm_silu,
        lambda **kind: {"x": draw(2, 6, 2, 3, 4, **kind), "weight": draw(6, seed=1, **kind)},
    ),
}


def outputs(result: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (result,) if isinstance(result, Tensor) else result


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["twin", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_one_graph_gives_the_same(place: str, name: str, dtype: torch.dtype) -> None:
    function, case = CASES[name]
    arguments, again = case(dtype=dtype, place=place), case(dtype=dtype, place=place)
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for actual, expected in zip(outputs(compiled(**again)), outputs(function(**arguments)), strict=True):
            torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
    if "keys" in arguments:
        torch.testing.assert_close(again["keys"], arguments["keys"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["residual_layer_norm", "ring_attention"])  # each kernel's own test covers the rest
def test_gradients_come_through_the_graph(place: str, name: str) -> None:
    function, case = CASES[name]
    arguments = case(dtype=torch.float32, place=place)
    for key, value in arguments.items():
        if isinstance(value, Tensor) and value.is_floating_point() and key not in ("cos", "sin", "sigma", "next_sigma"):
            value.requires_grad_()
    leaves = [value for value in arguments.values() if isinstance(value, Tensor) and value.requires_grad]

    def gradients(run: Callable[..., Any]) -> tuple[Tensor, ...]:
        loss = torch.stack([each.square().sum() for each in outputs(run(**arguments))]).sum()
        return torch.autograd.grad(loss, leaves)

    compiled = gradients(torch.compile(function, fullgraph=True, backend="aot_eager"))
    torch.testing.assert_close(compiled, gradients(function), rtol=1e-4, atol=1e-4)
