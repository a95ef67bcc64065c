"""The processes of a data parallel training, as `torchrun` or `accelerate launch` start them.

Each holds its rows of every batch. A loss is a quotient of sums over the whole batch, so its sums are added up over the
processes first, and the gradients last: both are those of one process with the whole batch, but for rounding.
(`DistributedDataParallel` averages the gradients of losses of each process's rows, which is another loss. What it does
better is to send gradients while others are still computed.)
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, distributed

_BUCKET = 25_000_000  # numbers


@dataclass(frozen=True)
class Processes:
    """The processes that train together, seen from one of them.

    Attributes:
        rank: this one's number, from 0.
        count: how many there are.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes checkpoints and curves."""
        return self.rank == 0

    def device(self, name: str) -> str:
        """The device of this process: "cuda" is the GPU that the launcher gave it."""
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if name == "cuda" and self.count > 1 else name

    def sum(self, value: Tensor) -> Tensor:
        """The sum over the processes; its gradient reaches the rows of each, for `sum_gradients` to add up."""
        return value if self.count == 1 else cast(Tensor, _Sum.apply(value))  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Adds up the gradients over the processes; a parameter that none of them used keeps none."""
        if self.count == 1:
            return
        known = list(parameters)
        used = torch.tensor([each.grad is not None for each in known], dtype=torch.int32)
        distributed.all_reduce(used, op=distributed.ReduceOp.MAX)
        some = [each for each, is_used in zip(known, used.tolist(), strict=True) if is_used]
        for bucket in _buckets(some):
            gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in bucket]
            total = torch.cat([each.flatten() for each in gradients])
            distributed.all_reduce(total)
            for each, part in zip(bucket, total.split([each.numel() for each in bucket]), strict=True):
                each.grad = part.view_as(each).clone()

    @torch.no_grad()
    def copy_from_first(self, tensors: Iterable[Tensor]) -> None:
        """Gives the tensors of all processes the values of the first one's."""
        for tensor in tensors if self.count > 1 else ():
            distributed.broadcast(tensor, src=0)

    def gather(self, value: Tensor) -> Tensor:
        """All processes' tensors of one shape behind each other, without gradient."""
        if self.count == 1:
            return value
        parts = [torch.empty_like(value) for _ in range(self.count)]
        distributed.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    def any(self, value: bool) -> bool:
        """Whether it is true on any process; all of them must ask."""
        if self.count == 1:
            return value
        flag = torch.tensor(int(value))
        distributed.all_reduce(flag, op=distributed.ReduceOp.MAX)
        return bool(flag)

    def wait(self) -> None:
        """Waits until all are here."""
        self.any(False)


ALONE = Processes()


@contextmanager
def joined(device: str) -> Iterator[Processes]:
    """Joins the processes that a launcher started, for as long as the block runs; without a launcher it is alone.

    Raises:
        ValueError: the launcher's variables are not whole.
    """
    if distributed.is_available() and distributed.is_initialized():
        yield Processes(distributed.get_rank(), distributed.get_world_size())
        return
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo")
    except ValueError as error:
        raise ValueError(
            f"WORLD_SIZE must come with RANK, MASTER_ADDR and MASTER_PORT, got: {error}; start with torchrun or "
            "accelerate launch, or unset WORLD_SIZE"
        ) from error
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Adds up over processes; the loss that follows is the same on all, so no gradient needs to travel."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """The sum."""
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """The same gradient for every summand."""
        return gradients[0]


def _buckets(parameters: list[Tensor]) -> Iterator[list[Tensor]]:
    """Parts of one type and of some hundred megabytes, so that their copy needs no more."""
    bucket: list[Tensor] = []
    for each in parameters:
        if bucket and (each.dtype != bucket[0].dtype or sum(map(torch.numel, bucket)) + each.numel() > _BUCKET):
            yield bucket
            bucket = []
        bucket.append(each)
    if bucket:
        yield bucket
