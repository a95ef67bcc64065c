"""Networks move to the device in turn, and their linear layers fit 8 bits."""

import sys
from typing import Any

import pytest
import torch
from torch import nn

from wm_gym.pan.placement import Placement, store_in_fp8


def block() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 128), nn.LayerNorm(128), nn.Linear(128, 64)).bfloat16()


@torch.no_grad()
def test_fp8_halves_the_linear_layers_and_stays_near() -> None:
    pytest.importorskip("torchao")
    plain, stored, inputs = block(), block(), torch.randn(8, 64, dtype=torch.bfloat16)
    store_in_fp8(nn.ModuleList([stored]))
    weight: Any = stored[0].weight
    qdata = weight.qdata
    assert qdata.dtype == torch.float8_e4m3fn and qdata.shape == (128, 64)
    assert stored[1].weight.dtype == torch.bfloat16
    error = (stored(inputs) - plain(inputs)).float()
    assert 0 < error.std() < 0.06 * plain(inputs).float().std()  # e4m3 keeps three bits behind the leading one


def test_fp8_without_torchao_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchao.quantization", None)
    with pytest.raises(ValueError, match=r"must have torchao, which is missing; pip install 'wm-gym\[fp8\]'"):
        store_in_fp8(nn.ModuleList([block()]))


@pytest.mark.gpu
@pytest.mark.parametrize("offload", ["parts", "layers"])
def test_offloaded_networks_leave_the_gpu(offload: str) -> None:
    network, inputs = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)), torch.randn(2, 64)
    expected = network(inputs)
    placement = Placement(torch.device("cuda"), offload)  # type: ignore[arg-type]
    placement.settle(network)
    assert next(network.parameters()).device.type == "cpu"
    with placement.running(network):
        output = network(inputs.cuda())
    assert next(network.parameters()).device.type == "cpu"
    assert (output.cpu() - expected).abs().max() < 1e-5
