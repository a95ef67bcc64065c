"""The averaged weights follow the trained ones, and lend themselves to the module without a trace."""

import pytest
import torch
from torch import nn

from wm_gym.training.ema import ExponentialMovingAverage, trained_parameters


def _layer() -> nn.Linear:
    layer = nn.Linear(3, 2)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(1.0)
    return layer


def test_trained_parameters_leave_out_the_frozen() -> None:
    layer = _layer()
    layer.bias.requires_grad_(False)
    assert list(trained_parameters(layer)) == ["weight"]


def test_trained_parameters_name_a_tied_parameter_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    assert list(trained_parameters(nn.Sequential(first, second))) == ["0.weight", "0.bias", "1.bias"]


def test_decay_grows_to_the_configured_value() -> None:
    ema = ExponentialMovingAverage(_layer(), 0.9)
    assert [ema.decay(n) for n in (0, 10, 10_000)] == pytest.approx([0.1, 0.55, 0.9])


def test_update_moves_the_average_by_one_minus_decay() -> None:
    layer = _layer()
    ema = ExponentialMovingAverage(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    ema.update(10_000)
    torch.testing.assert_close(ema.tensors["weight"], torch.full((2, 3), 1.2))


def test_applied_lends_the_averages_and_gives_back_the_same_bits() -> None:
    layer = _layer()
    ema = ExponentialMovingAverage(layer, 0.9)
    with torch.no_grad():
        layer.weight.normal_()
    own = layer.weight.detach().clone()
    with ema.applied():
        assert torch.equal(layer.weight, torch.ones(2, 3))
    assert torch.equal(layer.weight, own)


def test_applied_gives_back_the_weights_when_the_block_fails() -> None:
    layer = _layer()
    ema = ExponentialMovingAverage(layer, 0.9)
    with torch.no_grad():
        layer.weight.fill_(3.0)
    with pytest.raises(KeyError), ema.applied():
        raise KeyError
    assert torch.equal(layer.weight, torch.full((2, 3), 3.0))
