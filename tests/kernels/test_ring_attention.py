"""Attention over a ring: which slots are seen, that order does not matter, and the twin against float64."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from tests.kernels.errors import CHECKS, DTYPES, assert_exact, draw, exact
from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.kernels import ring_attention as kernel

SHAPES = [(1, 3, 1, 6, 5), (2, 5, 3, 12, 70), (1, 40, 2, 128, 130)]  # batch, tokens, heads, head dimension, slots


def ring_arguments(batch: int, tokens: int, heads: int, head_dim: int, slots: int, **kind: Any) -> dict[str, Any]:
    shape = (heads, head_dim)
    return {
        "query": 2 * draw(batch, tokens, *shape, seed=1, **kind),
        "keys": draw(batch, slots, *shape, seed=2, **kind),
        "values": draw(batch, slots, *shape, seed=3, **kind),
    }


def counts(*written: int, place: str = "cpu") -> Tensor:
    return torch.tensor(written, device=place)


def test_slots_are_the_positions_until_the_ring_comes_round() -> None:
    slots = kernel.first_slot(torch.arange(12), num_slots=7, sink_tokens=3)
    assert slots.tolist() == [0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 3]


@pytest.mark.parametrize("sink,window,slots", [(0, 4, 4), (2, 4, 6), (2, 3, 7), (3, 1, 5), (0, 2, 5)])
def test_visible_slots_hold_the_sink_and_the_newest_tokens(sink: int, window: int, slots: int) -> None:
    held: dict[int, int] = {}
    for position in range(30):
        held[int(kernel.first_slot(torch.tensor([position]), slots, sink))] = position
        seen = kernel.visible_slots(counts(position + 1), slots, sink, window)[0]
        newest = range(position + 1 - window, position + 1)
        expected = [slot in held and (held[slot] < sink or held[slot] in newest) for slot in range(slots)]
        assert seen.tolist() == expected


def test_the_ring_reads_as_the_same_keys_in_order() -> None:
    """Tokens written one by one beyond the ring, against attention over sink and window laid out by age."""
    keys, values = (draw(1, 23, 2, 8, dtype=torch.float64, seed=seed) for seed in (1, 2))
    rings = [torch.zeros(1, 9, 2, 8, dtype=torch.float64) for _ in range(2)]
    for position in range(23):
        slot = int(kernel.first_slot(torch.tensor([position]), 9, 3))
        rings[0][:, slot], rings[1][:, slot] = keys[:, position], values[:, position]
    query = draw(1, 4, 2, 8, dtype=torch.float64)
    ordered = [torch.cat([each[:, :3], each[:, -6:]], dim=1).transpose(1, 2) for each in (keys, values)]
    expected = scaled_dot_product_attention(query.transpose(1, 2), ordered[0], ordered[1]).transpose(1, 2)
    assert_near(kernel.ring_attention(query, rings[0], rings[1], counts(23), sink_tokens=3), expected)
    assert_near(kernel.ring_attention(query, rings[0], rings[1]), expected)


def test_gradients_of_the_operation_are_those_of_finite_differences() -> None:
    values = list(ring_arguments(2, 3, 2, 4, 6, dtype=torch.float64).values())
    for value in values:
        value.requires_grad_()
    operands: tuple[Any, ...] = (*values, counts(4, 11), 2, 3)
    torch.autograd.gradcheck(kernel.ring_attention_op, operands)


def test_operation_is_registered_soundly() -> None:
    values = list(ring_arguments(2, 3, 2, 4, 6, dtype=torch.float64).values())
    for value in values:
        value.requires_grad_()
    torch.library.opcheck(kernel.ring_attention_op, (*values, counts(4, 11), 2, 3), test_utils=CHECKS)


def test_misfits_are_refused() -> None:
    arguments = ring_arguments(1, 3, 2, 4, 6, dtype=torch.float32)
    with unchecked(), pytest.raises(ValueError, match="sink_tokens must be 0 to 5, one less than the slots, got 6"):
        kernel.ring_attention(**arguments, sink_tokens=6)
    with unchecked(), pytest.raises(ValueError, match="window_tokens must be at least 1, got 0"):
        kernel.ring_attention(**arguments, window_tokens=0)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin_is_exact_on_a_full_ring(place: str, dtype: torch.dtype, shape: tuple[int, int, int, int, int]) -> None:
    arguments = ring_arguments(*shape, dtype=dtype, place=place)
    arguments["written"] = counts(*[3 * shape[4] + 1] * shape[0], place=place)
    expected = kernel.ring_attention_reference(**exact(arguments))
    assert_exact(kernel.ring_attention(**arguments), expected, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("written", [(3, 70), (45, 66), (300, 299)], ids=str)
def test_twin_sees_sink_and_window_alone(place: str, dtype: torch.dtype, written: tuple[int, int]) -> None:
    arguments = ring_arguments(2, 3, 2, 12, 100, dtype=dtype, place=place)
    layout: dict[str, Any] = {"sink_tokens": 5, "window_tokens": 41}
    arguments["written"] = counts(*written, place=place)
    expected = kernel.ring_attention_reference(**exact(arguments), **layout)
    hidden = ~kernel.visible_slots(arguments["written"], 100, 5, 41)
    arguments["keys"][hidden] = torch.nan
    arguments["values"][hidden] = torch.nan
    assert_exact(kernel.ring_attention(**arguments, **layout), expected, dtype)


def test_twin_reads_one_layer_of_a_larger_ring(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 8, 20, dtype=torch.bfloat16, place=place)
    layers = draw(2, 4, 2, 20, 2, 8, dtype=torch.bfloat16, place=place)
    arguments |= {"keys": layers[:, 2, 0], "values": layers[:, 2, 1], "written": counts(7, 40, place=place)}
    expected = kernel.ring_attention_reference(**exact(arguments), sink_tokens=4)
    assert_exact(kernel.ring_attention(**arguments, sink_tokens=4), expected, torch.bfloat16)


def test_twin_takes_any_layout(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 8, 20, dtype=torch.float32, place=place)
    arguments = {
        name: tensor.permute(3, 1, 2, 0).contiguous().permute(3, 1, 2, 0) for name, tensor in arguments.items()
    }
    arguments["written"] = torch.tensor(7, device=place).expand(2)
    expected = kernel.ring_attention_reference(**exact(arguments), sink_tokens=4)
    assert_exact(kernel.ring_attention(**arguments, sink_tokens=4), expected, torch.float32)


def test_gradients_through_the_twin_are_the_references(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 12, 40, dtype=torch.float32, place=place)
    values = [value.requires_grad_() for value in arguments.values()]
    written, weight = counts(17, 90, place=place), draw(2, 3, 2, 12, dtype=torch.float32, place=place)
    layout: dict[str, Any] = {"written": written, "sink_tokens": 4, "window_tokens": 11}
    exactly = kernel.ring_attention_reference(**exact(arguments), **layout)
    expected = torch.autograd.grad(exactly, values, weight.double())
    actual = kernel.ring_attention(**arguments, **layout)
    for one, other in zip(torch.autograd.grad(actual, values, weight), expected, strict=True):
        assert_exact(one, other.double(), torch.float32)
