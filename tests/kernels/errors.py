"""How near a kernel must come to the exact result: float64 on the very same inputs."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
BOUNDS = {torch.float64: 1e-12, torch.float32: 4e-6, torch.bfloat16: 5e-3, torch.float16: 1e-3}
CUT = 9e-3  # bfloat16 on the CPU: the interpreter cuts off the bits that a GPU rounds
CHECKS = ("test_schema", "test_autograd_registration", "test_faketensor")  # test_compile.py does what is left


def draw(*shape: int, dtype: torch.dtype, place: str = "cpu", seed: int = 0) -> Tensor:
    """Standard normal numbers, equal for equal seeds on every device."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(place, dtype)


def exact(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with every floating tensor in float64."""
    return {
        name: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for name, value in arguments.items()
    }


def error(actual: Tensor, expected: Tensor) -> float:
    """The largest difference, relative to the number expected and the root mean square of all."""
    floor = expected.square().mean().sqrt()
    return float(((actual.double() - expected).abs() / (expected.abs() + floor)).max())


def assert_exact(actual: Tensor, expected: Tensor, dtype: torch.dtype) -> None:
    """Fails unless `actual` has the dtype and comes as near as the dtype's table entry."""
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    bound = CUT if (dtype, actual.device.type) == (torch.bfloat16, "cpu") else BOUNDS[dtype]
    assert error(actual, expected) <= bound
