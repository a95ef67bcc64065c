"""Sharding: each process keeps a part of every transformer block, its gradient and its optimizer state (FSDP2).

torch's `fully_shard` gathers a block's weights when the block runs, forward and backward, and scatters its gradient; it
is what `accelerate` calls for FSDP2. All else, encoders, queries and heads, is small and stays whole on every process.
Gradients are added up, not averaged: the loss is that of the whole batch already (see `processes`).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn

from wm_gym.training.processes import Processes
from wm_gym.training.shards import is_sharded, whole
from wm_gym.training.transformer_blocks import transformer_blocks


def shard_blocks(module: nn.Module, processes: Processes) -> None:
    """Split the transformer blocks of a module over the processes, in place.

    Raises:
        TrainingError: the module has no such block.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    blocks = transformer_blocks(module, option="shard")
    mesh = init_device_mesh(next(module.parameters()).device.type, (processes.count,))
    for block in blocks:
        sharded = fully_shard(block, mesh=mesh, reshard_after_forward=True)
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)  # gloo can neither average nor scale


@contextmanager
def gathered(module: nn.Module, values: Mapping[str, Tensor], processes: Processes) -> Iterator[None]:
    """Let a sharded module hold whole parameters inside the block, on the first process's CPU; all must enter.

    Args:
        module: it cannot run inside the block, only be read.
        values: what to show in place of parameters, by name; those not named show themselves.
        processes: those that hold parts.
    """
    held: list[tuple[nn.Module, str, nn.Parameter]] = []
    for path, owner in module.named_modules():
        for name, parameter in owner.named_parameters(recurse=False):
            if is_sharded(parameter):
                full = whole(values.get(f"{path}.{name}", parameter.detach()))
                if processes.is_first:
                    held.append((owner, name, parameter))
                    owner._parameters[name] = nn.Parameter(full.cpu(), requires_grad=parameter.requires_grad)
    try:
        yield
    finally:
        for owner, name, parameter in held:
            owner._parameters[name] = parameter
