"""The history of play: moments linked to those before them. Undo, branches and episodes are walks along the links."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.play.request import Action
from wm_gym.play.spool import Span, Spool

Chunk = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Outcome:
    """What one env answered to the action of a moment; after its end it answers nothing and stays as it is.

    Attributes:
        span: its frames.
        reward: of this step.
        total: sum of the rewards since the start.
        terminated: whether its episode terminated, here or before.
        truncated: whether its episode was truncated, here or before.
        uncertainty: the model's; None where the env gives none.
        event: what happened beside the action; "" for nothing.
    """

    span: Span
    reward: float = 0.0
    total: float = 0.0
    terminated: bool = False
    truncated: bool = False
    uncertainty: float | None = None
    event: str = ""

    @property
    def ended(self) -> bool:
        """Whether the episode is over."""
        return self.terminated or self.truncated


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """How an episode began.

    Attributes:
        seed: of the resets.
        spool: the frames of all its moments.
        roots: the state that each env started in; None of an env that cannot save one: it is reset with `seed`.
        facts: what each env said at its reset, texts only.
    """

    seed: int
    spool: Spool
    roots: tuple[Any, ...]
    facts: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moment:
    """One point in time of an episode.

    Attributes:
        start: how the episode began.
        parent: the moment before; None at the start.
        action: what led here; "" at the start.
        outcomes: what the dream answered and, where it plays, its twin.
        depth: steps since the start.
    """

    start: Start
    parent: "Moment | None"
    action: Action
    outcomes: tuple[Outcome, ...]
    depth: int

    def back(self) -> Iterator["Moment"]:
        """This moment, the one before it, and so on to the start."""
        moment: Moment | None = self
        while moment is not None:
            yield moment
            moment = moment.parent

    def path(self) -> list["Moment"]:
        """All moments from the start to this one."""
        return list(self.back())[::-1]

    def chunk(self, track: int) -> Chunk:
        """The frames that env number `track` showed."""
        return self.start.spool.read(self.outcomes[track].span)

    @property
    def ended(self) -> bool:
        """Whether no env can go on."""
        return all(outcome.ended for outcome in self.outcomes)
