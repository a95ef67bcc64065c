"""Fitting large networks onto a device: moving them there in turn, and storing their linear layers in 8 bits."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.hooks import apply_group_offloading
from torch import nn

from wm_gym.pan.config import Offload


class Placement:
    """Where networks wait and where they run."""

    def __init__(self, device: torch.device, offload: Offload) -> None:
        self.device = device
        self.offload = offload

    def settle(self, *networks: nn.Module) -> None:
        """Put networks where they wait between two uses."""
        for network in networks:
            match self.offload:
                case "none":
                    network.to(self.device)
                case "parts":
                    network.to("cpu")
                case "layers":
                    apply_group_offloading(
                        network,
                        onload_device=self.device,
                        offload_device=torch.device("cpu"),
                        offload_type="leaf_level",
                    )

    @contextmanager
    def running(self, *networks: nn.Module) -> Iterator[None]:
        """Have networks on the device within the block."""
        if self.offload != "parts":
            yield
            return
        for network in networks:
            network.to(self.device)
        try:
            yield
        finally:
            for network in networks:
                network.to("cpu")


def store_in_fp8(blocks: nn.ModuleList) -> None:
    """Store the linear layers of a network's blocks in 8 bits; products stay in the dtype of their inputs.

    Raises:
        ValueError: torchao is not installed.
    """
    try:
        from torchao.quantization import Float8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise ValueError("quantization='fp8' must have torchao, which is missing; pip install 'wm-gym[fp8]'") from error
    quantize_(blocks, Float8WeightOnlyConfig())
