"""The exponential moving average of a module's trained parameters.

The average is what a stage exports. Early on the decay is (1 + n) / (10 + n) after n updates (TensorFlow's rule), so
that a short training does not export its first random weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from wm_gym.training.shards import is_sharded


def trained_parameters(module: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that require a gradient, by name; a tied parameter appears once."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


class ExponentialMovingAverage:
    """A second set of the trained parameters: average <- decay * average + (1 - decay) * parameter.

    Attributes:
        tensors: the averages by parameter name, on the parameters' devices.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._parameters = trained_parameters(module)
        self._decay = decay
        self.tensors: dict[str, Tensor] = {name: p.detach().clone() for name, p in self._parameters.items()}

    def decay(self, num_updates: int) -> float:
        """Return the decay of the update that follows `num_updates` earlier ones, in [0, 1)."""
        return min(self._decay, (1 + num_updates) / (10 + num_updates))

    @torch.no_grad()
    def update(self, num_updates: int) -> None:
        """Move the averages towards the parameters; `num_updates` counts the updates before this one."""
        for name, parameter in self._parameters.items():
            self.tensors[name].lerp_(parameter, 1 - self.decay(num_updates))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Let the module hold the averages inside the block, and its own parameters, bit for bit, after it.

        Sharded parameters stay (see `sharding.gathered`).
        """
        parameters = {name: each for name, each in self._parameters.items() if not is_sharded(each)}
        own = {name: parameter.data for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            parameter.data = self.tensors[name]
        try:
            yield
        finally:
            for name, parameter in parameters.items():
                parameter.data = own[name]
