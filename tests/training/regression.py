"""A small real stage: a two-layer network fits a noisy linear map. Run as a module, it trains in its own process."""

import json
import resource
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from wm_gym.training.loop import LoopConfig, train


class Regression:
    """Learns y = x W from batches drawn by iteration, with noise and dropout; remembers its losses.

    Attributes:
        losses: one a call, in order.
    """

    def __init__(self, width: int = 8) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = nn.Sequential(
            nn.Linear(4, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(0.1), nn.Linear(width, 2)
        )
        self.losses: list[float] = []

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        x = torch.randn(16, 4, generator=torch.Generator().manual_seed(iteration))
        y = x @ torch.arange(8.0).view(4, 2)
        noise = torch.randn(16, 2, generator=generator)
        error = self.module(x) - y - 0.1 * noise
        loss = error.square().mean()
        self.losses.append(loss.item())
        return loss, {"absolute_error": error.detach().abs().mean()}

    def export(self, module: nn.Module, folder: Path) -> None:
        save_file({name: tensor.clone() for name, tensor in module.state_dict().items()}, folder / "model.safetensors")
        (folder / "model.json").write_text(json.dumps({"layers": len(list(module.children()))}))


def regression_config(*, num_iterations: int = 20, checkpoint_every: int | None = None) -> LoopConfig:
    """Return a short training that exercises the warmup, the decay and the clipping."""
    return LoopConfig(
        num_iterations=num_iterations,
        learning_rate=0.02,
        warmup_iterations=5,
        checkpoint_every=checkpoint_every,
        checkpoint_minutes=None,
        log_every=4,
    )


def main() -> None:
    """Train: output, iterations, iterations between checkpoints, width, largest file in bytes (0: no limit)."""
    num_iterations, checkpoint_every, width, largest_file = map(int, sys.argv[2:6])
    if largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    config = regression_config(num_iterations=num_iterations, checkpoint_every=checkpoint_every)
    train(Regression(width), config, Path(sys.argv[1]), progress=False)


if __name__ == "__main__":
    main()
