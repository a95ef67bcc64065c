"""Weights in int8 come back within half a step of their group's scale."""

import torch

from wm_gym.transition.compact_weights import GROUP, SCALE, compact, expand


def test_a_matrix_is_rounded_by_at_most_half_a_step() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 3 * GROUP) * torch.logspace(-3, 2, 5)[:, None]
    rounded = expand(compact({"weight": weight}))["weight"]
    largest = weight.unflatten(1, (-1, GROUP)).abs().amax(dim=2, keepdim=True)
    steps = (rounded - weight).unflatten(1, (-1, GROUP)).abs() / (largest / 127)
    assert 0.4 < steps.max() <= 0.5 + 127 * 2**-11  # the scale itself is rounded to half precision


def test_a_matrix_takes_eight_and_a_half_bits_a_number() -> None:
    tensors = compact({"weight": torch.randn(64, 4 * GROUP)})
    assert {name: tensor.dtype for name, tensor in tensors.items()} == {
        "weight": torch.int8,
        "weight" + SCALE: torch.float16,
    }
    assert 8 * sum(tensor.nbytes for tensor in tensors.values()) == 8.5 * 64 * 4 * GROUP


def test_rounding_twice_is_rounding_once() -> None:
    once = expand(compact({"weight": torch.randn(4, GROUP)}))
    assert (expand(compact(once))["weight"] - once["weight"]).abs().max() < 2e-3 * once["weight"].abs().max()


def test_zeros_stay_zeros() -> None:
    assert not expand(compact({"weight": torch.zeros(2, GROUP)}))["weight"].any()


def test_vectors_and_odd_widths_stay_exact() -> None:
    weights = {"bias": torch.randn(2 * GROUP), "odd": torch.randn(3, GROUP + 1), "count": torch.arange(3)}
    assert all(torch.equal(expand(compact(weights))[name], weight) for name, weight in weights.items())
