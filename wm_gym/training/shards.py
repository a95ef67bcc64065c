"""Tensors of which each process holds a shard, beside ordinary ones."""

from torch import Tensor


def is_sharded(tensor: Tensor) -> bool:
    """Whether each process holds a part of a tensor."""
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """This process's part of a tensor, all of it where it is not sharded; shares its memory."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, on every process; all of them must ask."""
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]
