"""How long a planner may think: a number of model steps, seconds, or both."""

import math
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one plan may cost; the first limit that is reached ends the search.

    Attributes:
        model_steps: world steps that the model may compute: 64 worlds stepped at once are 64.
        seconds: wall time. A call of the model that has begun is not cut short, and one is always made.

    Raises:
        ValueError: neither is given, or one is not positive.
    """

    model_steps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.model_steps is None and self.seconds is None:
            raise ValueError("budget must name model_steps or seconds, got neither; pass Budget(model_steps=2000)")
        if self.model_steps is not None and not self.model_steps >= 1:
            raise ValueError(f"model_steps must be at least 1, got {self.model_steps}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"seconds must be more than 0, got {self.seconds}")


@dataclass(kw_only=True)
class Meter:
    """Counts what one plan has cost so far.

    Attributes:
        budget: what it may cost.
        model_steps: world steps computed.
        start: when it began, in seconds of `time.perf_counter`.
    """

    budget: Budget
    model_steps: int = 0
    start: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self.start

    @property
    def model_steps_left(self) -> float:
        """World steps that are left, `inf` without such a limit; 0 once the time is over."""
        if self.budget.seconds is not None and self.model_steps and self.seconds >= self.budget.seconds:
            return 0.0
        if self.budget.model_steps is None:
            return math.inf
        return float(max(0, self.budget.model_steps - self.model_steps))

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left."""
        return self.model_steps_left < 1

    def afford(self, model_steps: int) -> int:
        """As many of these world steps as are left."""
        return int(min(model_steps, self.model_steps_left))
