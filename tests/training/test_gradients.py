"""Clipping is torch's own, parts have their norms, and what is not finite is named."""

import pytest
import torch
from torch import nn

from wm_gym.training.ema import trained_parameters
from wm_gym.training.gradients import clip_gradients, norms_of_parts, not_finite
from wm_gym.training.processes import ALONE


def network(scale: float = 1.0) -> nn.Module:
    """Three layers, the last one without a gradient."""
    torch.manual_seed(0)
    module = nn.ModuleDict({"one": nn.Linear(3, 4), "two": nn.Linear(4, 2), "idle": nn.Linear(2, 2)})
    module["two"](module["one"](torch.ones(5, 3))).square().sum().mul(scale).backward()
    return module


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_clipping_equals_torch_bit_for_bit(scale: float) -> None:
    mine, other = network(scale), network(scale)
    norm = clip_gradients(trained_parameters(mine), 1.0, ALONE)
    assert torch.equal(norm, nn.utils.clip_grad_norm_(other.parameters(), 1.0))
    for one, two in zip(mine.parameters(), other.parameters(), strict=True):
        assert (one.grad is None) == (two.grad is None)
        assert one.grad is None or (two.grad is not None and torch.equal(one.grad, two.grad))


def test_parts_are_the_children() -> None:
    parts = norms_of_parts(trained_parameters(network()), ALONE)
    assert list(parts) == ["one", "two", "idle"]
    assert parts["one"] > 0 and parts["two"] > 0 and parts["idle"] == 0


def test_what_is_not_finite_is_named_and_left_alone() -> None:
    module = network()
    gradient = module.get_parameter("two.bias").grad
    assert gradient is not None
    gradient[0] = torch.nan
    before = module.get_parameter("one.weight").grad
    assert before is not None
    kept = before.clone()
    parameters = trained_parameters(module)
    assert not torch.isfinite(clip_gradients(parameters, 1.0, ALONE))
    assert not_finite(parameters) == " in two.bias"
    assert torch.equal(before, kept)
    assert not_finite(trained_parameters(network())) == ""
