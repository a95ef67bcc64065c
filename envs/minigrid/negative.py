"""MiniGrid in a palette of its own, the negative of the first: what fine-tuning to a new look is measured on."""

from typing import Any

import numpy as np

from envs.minigrid.twin import MiniGrid, MiniGridTwin
from envs.twin import Frame


class NegativeMiniGrid(MiniGrid):
    """`MiniGrid` with every frame turned to its negative: the same rules, texts and layouts, other colours."""

    world = "minigrid_negative"

    def frame(self) -> Frame:
        """The negative of `MiniGrid.frame`."""
        return np.subtract(255, super().frame(), dtype=np.uint8)

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows; colours have the names that they have in MiniGrid."""
        return super().read_state(np.subtract(255, frame, dtype=np.uint8))


class NegativeMiniGridTwin(MiniGridTwin):
    """The twin of `NegativeMiniGrid`; `layout` is the option of its simulator."""

    simulator_class = NegativeMiniGrid
