"""RMSNorm and RoPE of queries and keys: against diffusers' processor, and the write into the ring."""

from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttention, WanAttnProcessor, WanRotaryPosEmbed
from torch import Tensor

from tests.kernels.errors import CHECKS, DTYPES, assert_exact, draw, exact
from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.kernels import qk_norm_rope as kernel

SHAPES = [(1, 3, 1, 6), (2, 5, 3, 12), (2, 4, 12, 128)]  # batch, tokens, heads, head dimension


def rope_arguments(batch: int, tokens: int, heads: int, head_dim: int, **kind: Any) -> dict[str, Any]:
    width = heads * head_dim
    place = kind.get("place", "cpu")
    angles = 10 * draw(batch, tokens, head_dim // 2, dtype=torch.float64, seed=9)
    return {
        "query": draw(batch, tokens, width, seed=1, **kind),
        "key": draw(batch, tokens, width, seed=2, **kind),
        "query_weight": draw(width, seed=3, **kind),
        "key_weight": draw(width, seed=4, **kind),
        "cos": angles.cos().to(place, torch.float32),
        "sin": angles.sin().to(place, torch.float32),
    }


def ring_arguments(batch: int, tokens: int, heads: int, head_dim: int, slots: int, **kind: Any) -> dict[str, Any]:
    rings = [torch.full((batch, slots, heads, head_dim), 7.0).to(kind.get("place", "cpu"), kind["dtype"])] * 2
    return {
        **rope_arguments(batch, tokens, heads, head_dim, **kind),
        "value": draw(batch, tokens, heads * head_dim, seed=5, **kind),
        "keys": rings[0].clone(),
        "values": rings[1].clone(),
        "first_slot": torch.arange(batch, device=kind.get("place", "cpu")) * (slots - tokens),
    }


def expected_rings(arguments: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Query, keys and values in float64, by the references."""
    wide = exact(arguments)
    tables = wide["cos"], wide["sin"]
    key = kernel.norm_rope_reference(wide["key"], wide["key_weight"], *tables)
    kernel.write_ring_reference(wide["keys"], key, wide["first_slot"])
    kernel.write_ring_reference(wide["values"], wide["value"].unflatten(-1, key.shape[2:]), wide["first_slot"])
    return kernel.norm_rope_reference(wide["query"], wide["query_weight"], *tables), wide["keys"], wide["values"]


def test_reference_is_wans() -> None:
    """With values that tell keys apart, attention's result is diffusers' own."""
    torch.manual_seed(0)
    attention = WanAttention(24, heads=2, dim_head=12, processor=WanAttnProcessor())
    for norm in (attention.norm_q, attention.norm_k):
        torch.nn.init.normal_(norm.weight)
    hidden = draw(2, 2 * 2 * 3, 24, dtype=torch.float32)
    cos, sin = WanRotaryPosEmbed(12, (1, 1, 1), 8)(torch.empty(1, 1, 2, 2, 3))
    query, key = kernel.qk_norm_rope(
        attention.to_q(hidden),
        attention.to_k(hidden),
        attention.norm_q.weight,
        attention.norm_k.weight,
        cos[:, :, 0, 0::2],
        sin[:, :, 0, 1::2],
        1e-5,
    )
    value = attention.to_v(hidden).unflatten(2, (2, 12))
    rows = [each.transpose(1, 2) for each in (query, key, value)]
    read = torch.nn.functional.scaled_dot_product_attention(rows[0], rows[1], rows[2]).transpose(1, 2).flatten(2)
    assert_near(attention.to_out[0](read), attention(hidden, rotary_emb=(cos, sin)))


def test_write_changes_its_slots_alone() -> None:
    arguments = ring_arguments(2, 3, 2, 4, slots=9, dtype=torch.float32)
    kernel.qk_norm_rope_write(**arguments)
    written = (arguments["keys"] != 7).flatten(2).all(dim=2)
    assert written.tolist() == [[True] * 3 + [False] * 6, [False] * 6 + [True] * 3]


def test_write_is_the_norm_and_rotation_without_a_ring() -> None:
    arguments = ring_arguments(2, 3, 2, 4, slots=9, dtype=torch.float32)
    plain = {name: arguments[name] for name in rope_arguments(1, 1, 1, 2, dtype=torch.float32)}
    query, key = kernel.qk_norm_rope(**plain)
    assert_near(kernel.qk_norm_rope_write(**arguments), query)
    assert_near(torch.stack([arguments["keys"][0, :3], arguments["keys"][1, 6:]]), key)


def test_gradients_of_the_operation_are_those_of_finite_differences() -> None:
    values = list(rope_arguments(2, 3, 2, 4, dtype=torch.float64).values())
    for value in values[:4]:
        value.requires_grad_()
    values[4:] = [table.double() for table in values[4:]]
    operands: tuple[Any, ...] = (*values, 1e-6)
    torch.autograd.gradcheck(kernel.qk_norm_rope_op, operands)


def test_operations_are_registered_soundly() -> None:
    arguments = ring_arguments(2, 3, 2, 4, slots=9, dtype=torch.float64)
    names = ("query", "key", "query_weight", "key_weight", "cos", "sin")
    writing = ("query", "key", "value", *names[2:], "keys", "values", "first_slot")
    torch.library.opcheck(
        kernel.qk_norm_rope_write_op, (*(arguments[name] for name in writing), 1e-6), test_utils=CHECKS
    )
    values = [arguments[name].requires_grad_(name not in ("cos", "sin")) for name in names]
    torch.library.opcheck(kernel.qk_norm_rope_op, (*values, 1e-6), test_utils=CHECKS)


def test_write_refuses_to_be_differentiated() -> None:
    arguments = ring_arguments(2, 3, 2, 4, slots=9, dtype=torch.float32)
    arguments["key"].requires_grad_()
    with pytest.raises(RuntimeError, match="under torch.no_grad"):
        kernel.qk_norm_rope_write(**arguments)


def test_misfits_are_refused() -> None:
    arguments = ring_arguments(2, 3, 2, 4, slots=9, dtype=torch.float32)
    with unchecked(), pytest.raises(ValueError, match="the ring must hold the 3 tokens of a chunk, got 2 slots"):
        kernel.qk_norm_rope_write(
            **{**arguments, "keys": arguments["keys"][:, :2], "values": arguments["values"][:, :2]}
        )
    with unchecked(), pytest.raises(ValueError, match="multiple of the head's 6, got 8"):
        tables = {name: arguments[name].repeat(1, 1, 2)[..., :3] for name in ("cos", "sin")}
        kernel.qk_norm_rope_write(**{**arguments, **tables})


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twin_is_exact(place: str, dtype: torch.dtype, shape: tuple[int, int, int, int]) -> None:
    arguments = rope_arguments(*shape, dtype=dtype, place=place)
    wide = exact(arguments)
    query, key = kernel.qk_norm_rope(**arguments)
    tables = wide["cos"], wide["sin"]
    assert_exact(query, kernel.norm_rope_reference(wide["query"], wide["query_weight"], *tables), dtype)
    assert_exact(key, kernel.norm_rope_reference(wide["key"], wide["key_weight"], *tables), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_twin_writes_exactly(place: str, dtype: torch.dtype) -> None:
    arguments = ring_arguments(2, 3, 3, 12, slots=7, dtype=dtype, place=place)
    expected = expected_rings(arguments)
    query = kernel.qk_norm_rope_write(**arguments)
    for actual, wanted in zip((query, arguments["keys"], arguments["values"]), expected, strict=True):
        assert_exact(actual, wanted, dtype)


def test_twin_writes_into_one_layer_of_a_larger_ring_from_a_fused_projection(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 8, slots=7, dtype=torch.bfloat16, place=place)
    fused = draw(2, 3, 3 * 16, dtype=torch.bfloat16, place=place, seed=6)
    arguments |= dict(zip(("query", "key", "value"), fused.chunk(3, dim=-1), strict=True))
    layers = torch.full((2, 4, 2, 7, 2, 8), 7.0, dtype=torch.bfloat16, device=place)  # batch, layer, keys or values
    arguments |= {"keys": layers[:, 2, 0], "values": layers[:, 2, 1]}
    expected = expected_rings(arguments)
    kernel.qk_norm_rope_write(**arguments)
    for actual, wanted in zip((arguments["keys"], arguments["values"]), expected[1:], strict=True):
        assert_exact(actual, wanted, torch.bfloat16)
    assert bool((layers[:, [0, 1, 3]] == 7).all())


def test_twin_takes_any_layout_of_what_it_reads(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 8, slots=7, dtype=torch.float32, place=place)
    for name in ("query", "key", "value"):
        arguments[name] = arguments[name].mT.contiguous().mT
    for name in ("query_weight", "key_weight"):
        arguments[name] = torch.stack([arguments[name]] * 2, dim=1)[:, 0]
    arguments["first_slot"] = torch.tensor(4, device=place).expand(2)
    expected = expected_rings(arguments)
    query = kernel.qk_norm_rope_write(**arguments)
    for actual, wanted in zip((query, arguments["keys"], arguments["values"]), expected, strict=True):
        assert_exact(actual, wanted, torch.float32)


def test_twin_refuses_a_ring_that_it_cannot_write_in_place(place: str) -> None:
    arguments = ring_arguments(2, 3, 2, 8, slots=7, dtype=torch.float32, place=place)
    arguments["values"] = arguments["values"].transpose(1, 2).contiguous().transpose(1, 2)
    with pytest.raises(ValueError, match="values must have a slot's heads and their channels side by side"):
        kernel.qk_norm_rope_write(**arguments)


def test_gradients_through_the_twin_are_the_references(place: str) -> None:
    arguments = rope_arguments(2, 3, 3, 12, dtype=torch.float32, place=place)
    values = [arguments[name].requires_grad_() for name in ("query", "key", "query_weight", "key_weight")]
    weights = [draw(2, 3, 3, 12, dtype=torch.float32, place=place, seed=seed) for seed in (7, 8)]
    tables = arguments["cos"], arguments["sin"]
    plain = [kernel.norm_rope_reference(values[n], values[n + 2], *tables) for n in range(2)]
    expected = torch.autograd.grad(plain, values, weights)
    for actual, wanted in zip(
        torch.autograd.grad(kernel.qk_norm_rope(**arguments), values, weights), expected, strict=True
    ):
        assert_exact(actual, wanted.double(), torch.float32)
