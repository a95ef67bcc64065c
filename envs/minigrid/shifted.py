"""MiniGrid in other hues, a new palette on the same floor: what a short fine-tuning is measured on."""

from typing import Any

from envs.minigrid.twin import MiniGrid, MiniGridTwin
from envs.twin import Frame


class ShiftedMiniGrid(MiniGrid):
    """`MiniGrid` with its colour channels shifted by one: red is green, green is blue, blue is red, greys stay."""

    world = "minigrid_shifted"

    def frame(self) -> Frame:
        """`MiniGrid.frame` in the other hues."""
        return super().frame()[..., [2, 0, 1]]

    def read_state(self, frame: Frame) -> dict[str, Any]:
        """The state that a frame (64, 64, 3) shows; colours have the names that they have in MiniGrid."""
        return super().read_state(frame[..., [1, 2, 0]])


class ShiftedMiniGridTwin(MiniGridTwin):
    """The twin of `ShiftedMiniGrid`; `layout` is the option of its simulator."""

    simulator_class = ShiftedMiniGrid
