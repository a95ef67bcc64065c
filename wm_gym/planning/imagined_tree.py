"""Imagined futures as a tree of moments, for pictures and transcripts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8

from wm_gym.actions import Action

Frame = UInt8[np.ndarray, "height width 3"]


@dataclass(kw_only=True, eq=False)
class Moment:
    """A node of the tree.

    Attributes:
        parent: number of the moment before; None at the root.
        action: what led here; None at the root.
        frame: what is seen here.
        value: what the planner thinks that it is worth to come here.
        chosen: whether the plan leads through it.
    """

    parent: int | None
    action: Action | None
    frame: Frame
    value: float
    chosen: bool = False


@dataclass(eq=False)
class ImaginedTree:
    """Moments, each after its parent; the first is now."""

    moments: list[Moment] = field(default_factory=list)

    @classmethod
    def rooted(cls, frame: Frame, value: float = 0.0) -> "ImaginedTree":
        """A tree of one moment."""
        return cls([Moment(parent=None, action=None, frame=frame, value=value, chosen=True)])

    def add(self, parent: int, action: Action, frame: Frame, value: float) -> int:
        """Add a moment and return its number."""
        self.moments.append(Moment(parent=parent, action=action, frame=frame, value=value))
        return len(self.moments) - 1

    def path(self, number: int) -> list[int]:
        """Numbers of the moments from the first one after the root to `number`."""
        way: list[int] = []
        parent = self.moments[number].parent
        while parent is not None:
            way.append(number)
            number, parent = parent, self.moments[parent].parent
        return way[::-1]

    def choose(self, number: int) -> list[int]:
        """Mark the way to a moment as chosen and return it."""
        way = self.path(number)
        for step in way:
            self.moments[step].chosen = True
        return way

    def actions(self, way: Sequence[int]) -> tuple[Action, ...]:
        """What is done along a way."""
        return tuple(action for step in way if (action := self.moments[step].action) is not None)

    def frames(self, way: Sequence[int]) -> UInt8[np.ndarray, "steps height width 3"]:
        """What is seen along a way."""
        shape = self.moments[0].frame.shape
        return np.stack([self.moments[step].frame for step in way]) if way else np.zeros((0, *shape), np.uint8)

    def children(self) -> list[list[int]]:
        """Numbers of the moments after each moment."""
        lists: list[list[int]] = [[] for _ in self.moments]
        for number, moment in enumerate(self.moments):
            if moment.parent is not None:
                lists[moment.parent].append(number)
        return lists
