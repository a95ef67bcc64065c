"""What the loop knows of a stage."""

from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class Stage(Protocol):
    """What a stage gives to the loop: a module, its loss on a batch of its own, and the way to export it."""

    @property
    def module(self) -> nn.Module:
        """The module to train, on its device and in its mode; frozen parameters have `requires_grad` False."""

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss of the batch of `iteration`, and detached scalar metrics to log.

        The batch is a pure function of `iteration` (from 0); all other randomness comes from `generator`, on the CPU.
        With several processes it is the loss of the whole batch, of which each has its rows.
        """

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write `module`, which holds the averaged weights during the call, as a usable checkpoint into `folder`."""
