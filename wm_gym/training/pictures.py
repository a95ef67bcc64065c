"""What the loop knows of pictures that people watch a training by."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "rows columns 3"]


@runtime_checkable
class Pictures(Protocol):
    """Draws what a training can do by now."""

    @property
    def every(self) -> int:
        """Iterations between two drawings, at least 1."""

    def draw(self) -> dict[str, Picture]:
        """Pictures by title, of the weights that the module holds; no weight and no random state changes."""
