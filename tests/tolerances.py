"""How near two ways to compute the same must come: the one table of tolerances, by dtype."""

import torch
from torch import Tensor
from torch.testing import assert_close

TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-12}  # absolute and relative


def assert_near(actual: Tensor, expected: Tensor) -> None:
    """Fails unless shapes and dtypes are equal and values are within the table's tolerance."""
    tolerance = TOLERANCES[expected.dtype]
    assert_close(actual, expected, atol=tolerance, rtol=tolerance)
