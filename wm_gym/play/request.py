"""What a player can ask for, as a value: keys, scripts and pages all say the same few things."""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

Name: TypeAlias = Literal["act", "drive", "undo", "redo", "bookmark", "branch", "reset", "start", "view"]
Action: TypeAlias = str | tuple[float, ...]  # a text, or numbers in worlds that take them

NUM_SLOTS = 9  # bookmarks, numbered from 1
ALL_STEPS = 2**31  # as a count: back to the start, or forward to the end


@dataclass(frozen=True)
class Request:
    """One thing to do.

    - `act`: say `value`, a text, or numbers, to the world.
    - `drive`: let the policy act once.
    - `undo`, `redo`: `count` steps, or as many as there are.
    - `bookmark`, `branch`: keep this moment in slot `value`, or go on from the moment kept there.
    - `reset`: begin an episode with seed `value`; None takes the next one.
    - `start`: begin an episode at an image, `value` its path.
    - `view`: show the dream, the twin, or both, `value` one of "dream", "real", "both"; None takes the next one.

    Attributes:
        name: what.
        value: of whom or what.
        count: how often.

    Raises:
        ValueError: an unknown name, or a count below 1.
    """

    name: Name
    value: Any = None
    count: int = 1

    def __post_init__(self) -> None:
        if self.name not in get_args(Name):
            raise ValueError(f"name must be one of {', '.join(get_args(Name))}, got {self.name!r}")
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")

    def merge(self, later: "Request") -> "Request | None":
        """One request in place of this one and a later one, or None where both must run.

        The latest action wins; steps back and forth add up.
        """
        if {self.name, later.name} <= {"act", "drive"}:
            return later
        if self.name == later.name and self.name in ("undo", "redo"):
            return replace(later, count=self.count + later.count)
        return later if self == later else None
