"""What a long-horizon evaluation runs. Light on purpose: a command line can show its help without loading torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_READ_AT = (10, 30, 100, 300, 1000, 3000, 10000)
_LEAST_STEPS = 10


@dataclass(frozen=True, kw_only=True)
class LongConfig:
    """How to measure a world over a long time.

    Attributes:
        suite: "long" measures over a long time, and nothing else of the command; None leaves it out.
        long_steps: Steps of the longest dreams, at least 10; drift is read at 10, 100, 1,000, 10,000 of them, and
            between.
        long_rollouts: How many such dreams.
        sequences: Action sequences for action fidelity and step-wise choice; 0 leaves both out.
        rounds: Actions of each sequence.
        candidates: Futures to choose from, the true one included.
        judge: Who scores action fidelity: "state", "inverse-dynamics", "nearest", or your own as "module:function",
            see `wm_gym.evaluation.long.judges`. None takes the state reader where a world's states can be foreseen,
            and the inverse dynamics elsewhere.
        trips: Trips there and back for revisits, of each length; 0 leaves them out.
        trip_steps: Steps away from the place, there and back together.
        trip_actions: Names of the actions that the way there is made of, where not all that can be undone: with
            "turn left" and "turn right" alone, trips look away and back.
        falls: Balls thrown for each law and range of speeds, in worlds that have laws; 0 leaves them out.
        output: Folder for the report. A run that was stopped goes on there.
    """

    suite: Literal["long"] | None = None
    long_steps: int = 1000
    long_rollouts: int = 8
    sequences: int = 24
    rounds: int = 3
    candidates: int = 4
    judge: str | None = None
    trips: int = 12
    trip_steps: tuple[int, ...] = (12, 24, 48)
    trip_actions: tuple[str, ...] | None = None
    falls: int = 16
    output: Path = Path("long-report")

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: A count is out of range.
        """
        least = {"long_steps": _LEAST_STEPS, "long_rollouts": 2, "rounds": 1, "candidates": 2}
        least |= {"sequences": 0, "trips": 0, "falls": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} must be at least {bound}, got {getattr(self, name)}")
        if not self.trip_steps or min(self.trip_steps) < 2 or any(steps % 2 for steps in self.trip_steps):
            raise ValueError(f"trip_steps must be even numbers from 2 up, got {self.trip_steps}")

    @property
    def read_at(self) -> tuple[int, ...]:
        """The steps at which the drift is read: 10, 30, 100, ... up to the last step, and the last step."""
        return tuple(sorted({step for step in _READ_AT if step <= self.long_steps} | {self.long_steps}))
