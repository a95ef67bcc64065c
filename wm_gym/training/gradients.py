"""What an iteration looks for in its gradients, of parameters whole or sharded: their norms, and what is not finite."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from wm_gym.training.processes import Processes
from wm_gym.training.shards import is_sharded, local

NUM_NAMED = 3  # parameters that an error names


@torch.no_grad()
def clip_gradients(parameters: Mapping[str, nn.Parameter], most: float, processes: Processes) -> Tensor:
    """Scale the gradients so that their norm over all parameters is at most `most`.

    Returns:
        The norm before; where it is not finite, the gradients are as they were.
    """
    gradients = [each.grad for each in parameters.values() if each.grad is not None]
    parts = [local(each) for each in gradients if is_sharded(each)]
    others = [each for each in gradients if not is_sharded(each)]
    norm = nn.utils.get_total_norm(others)
    if parts:
        norm = (processes.sum(_square(parts)) + norm**2).sqrt()
    if bool(torch.isfinite(norm)):
        factor = (most / (norm + 1e-6)).clamp(max=1)  # as `clip_grad_norm_` has it
        for gradient in (*parts, *others):
            gradient.mul_(factor)
    return norm


@torch.no_grad()
def norms_of_parts(parameters: Mapping[str, nn.Parameter], processes: Processes) -> dict[str, float]:
    """A measure of the gradient of each child of the module, by its name; exactly 0 where there is no gradient.

    It is the norm where each process holds a shard, and more by the root of their number where each holds all of it.
    """
    parts: dict[str, list[Tensor]] = {}
    for name, each in parameters.items():
        gradients = parts.setdefault(name.split(".", 1)[0], [])
        gradients += [] if each.grad is None else [local(each.grad)]
    device = next(iter(parameters.values())).device
    squares = torch.stack([_square(gradients).to(device) for gradients in parts.values()])
    return dict(zip(parts, processes.sum(squares).sqrt().tolist(), strict=True))


def not_finite(parameters: Mapping[str, nn.Parameter]) -> str:
    """Which parameters' gradients are not finite, as " in a, b and 4 more"; "" where this process holds none."""
    bad = [
        name
        for name, each in parameters.items()
        if each.grad is not None and not bool(torch.isfinite(local(each.grad)).all())
    ]
    more = f" and {len(bad) - NUM_NAMED} more" if len(bad) > NUM_NAMED else ""
    return f" in {', '.join(bad[:NUM_NAMED])}{more}" if bad else ""


def _square(gradients: list[Tensor]) -> Tensor:
    return nn.utils.get_total_norm(gradients) ** 2 if gradients else torch.zeros(())
