"""Which implementation runs: the Triton twin on CUDA and under Triton's interpreter, the reference elsewhere."""

import os
from importlib.util import find_spec

import torch
from torch import Tensor

HAS_TRITON = find_spec("triton") is not None
INTERPRETED = HAS_TRITON and os.environ.get("TRITON_INTERPRET") == "1"  # Triton reads it once, too
TRITON_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def runs_triton(tensor: Tensor) -> bool:
    """Whether an operation on `tensor` is the twin's: on CUDA or interpreted, in a dtype of at most 32 bits."""
    return (INTERPRETED or (HAS_TRITON and tensor.is_cuda)) and tensor.dtype in TRITON_DTYPES


def widen(tensor: Tensor) -> Tensor:
    """The tensor in the dtype that references compute in: float32 for half precision, its own otherwise."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
