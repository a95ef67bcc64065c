"""What a session shows after a request: a value, which windows draw, films keep and pages send."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import UInt8

from wm_gym.play.request import Action

Chunk = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One env's picture.

    Attributes:
        name: "dream", or what the twin is called.
        chunk: the frames to show, one after the other; after a step all of its chunk, else the last frame.
        reward: of the last step.
        total: sum of the rewards since the start.
        ended: "terminated", "truncated" or "".
    """

    name: str
    chunk: Chunk
    reward: float
    total: float
    ended: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """All that there is to see.

    Attributes:
        world: its name.
        panels: the dream, the twin, or both.
        action: what led here, "" at the start.
        step: steps since the start.
        seed: of the start.
        num_undone: steps that redo can take.
        bookmarks: slots in use.
        uncertainty: of the dream; None where it is unknown.
        latencies: milliseconds by stage of the step that led here; empty when none was just made.
        driver: the policy's name, "" for none.
        message: what to tell the player, "" for nothing.
        failed: whether the message says why a request was refused.
    """

    world: str
    panels: tuple[Panel, ...]
    action: Action
    step: int
    seed: int
    num_undone: int
    bookmarks: tuple[int, ...]
    uncertainty: float | None
    latencies: Mapping[str, float] = field(default_factory=dict)
    driver: str = ""
    message: str = ""
    failed: bool = False

    @property
    def num_frames(self) -> int:
        """How many frames there are to show, one after the other."""
        return max(len(panel.chunk) for panel in self.panels)

    @property
    def over(self) -> bool:
        """Whether no step can follow."""
        return all(panel.ended for panel in self.panels)

    def say(self, message: str, *, failed: bool = False) -> "Scene":
        """The same scene, at rest, with another message."""
        panels = tuple(replace(panel, chunk=panel.chunk[-1:]) for panel in self.panels)
        return replace(self, panels=panels, message=message, failed=failed)


def spell(action: Action) -> str:
    """The action on one line."""
    if isinstance(action, str):
        return " ".join(action.split()) or "(nothing)"
    return " ".join(f"{number:+.2f}" for number in action)
