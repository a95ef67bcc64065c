"""Early alarms: what tells that a training has left its course, before its last good checkpoint is gone.

Two signs. A number that ought to fall, the loss, the gradient's norm or a head's loss, stands far above its running
median for many iterations in a row; single spikes are ordinary and pass. Or a part that had a gradient has none any
more, exactly, for as long: it is saturated or dead, and learns no more.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
from torch import Tensor

WATCHED = ("loss", "gradient_norm", "reward", "termination")  # the last two are the heads' own losses
HEAD_FLOOR = 0.1  # nats: a head that errs by less has not collapsed, however small its loss was before
MEDIAN_ITERATIONS = 200  # iterations of the running median
LEAST = 100  # iterations before a median is trusted


class DivergenceAlarm:
    """Looks at every iteration's numbers.

    Attributes:
        begin: the iteration at which the present trouble began; None where there is none.
    """

    def __init__(self, threshold: float | None, patience: int, gradient_clip: float) -> None:
        """Watches from now on; what came before a resume is not known.

        Args:
            threshold: how many times its running median a number may be; None raises no alarm.
            patience: iterations in a row that make an alarm.
            gradient_clip: a gradient's norm up to which nothing is cut, and no alarm raised.
        """
        self.begin: int | None = None
        self._threshold = threshold
        self._patience = patience
        self._floors = {"gradient_norm": gradient_clip, "reward": HEAD_FLOOR, "termination": HEAD_FLOOR}
        self._courses = {name: deque[float](maxlen=MEDIAN_ITERATIONS) for name in WATCHED}
        self._high: dict[str, int] = {}  # since which iteration a number is too high
        self._alive: set[str] = set()
        self._dead: dict[str, int] = {}  # since which iteration a part has no gradient

    def look(self, iteration: int, metrics: Mapping[str, Tensor | float], gradients: Mapping[str, float]) -> str | None:
        """Take in one iteration.

        Args:
            iteration: its number, one more than the last.
            metrics: its metrics; those in `WATCHED` count.
            gradients: the norm of each part's gradient.

        Returns:
            What is wrong, as "<name> must <rule>, got <what>", once it has lasted; else None.
        """
        if self._threshold is None:
            return None
        values = {name: float(metrics[name]) for name in WATCHED if name in metrics}
        found = [self._jump(iteration, name, value, self._threshold) for name, value in values.items()]
        found += [self._collapse(iteration, part, norm) for part, norm in gradients.items()]
        begins = [*self._high.values(), *self._dead.values()]
        self.begin = min(begins) if begins else None
        return next((message for message in found if message), None)

    def _jump(self, iteration: int, name: str, value: float, threshold: float) -> str | None:
        course = self._courses[name]
        typical = float(np.median(np.abs(course))) if len(course) >= LEAST else np.inf
        if value <= max(threshold * typical, self._floors.get(name, 0.0)):
            self._high.pop(name, None)
            course.append(value)
            return None
        first = self._high.setdefault(name, iteration)
        if iteration - first + 1 < self._patience:
            return None
        return (
            f"{name} must stay below {threshold:g} times its running median, got {value:.3g} at iteration {iteration}, "
            f"where the median was {typical:.3g}, and as much since iteration {first}"
        )

    def _collapse(self, iteration: int, part: str, norm: float) -> str | None:
        if norm > 0:
            self._alive.add(part)
            self._dead.pop(part, None)
        if norm > 0 or part not in self._alive:
            return None
        first = self._dead.setdefault(part, iteration)
        if iteration - first + 1 < self._patience:
            return None
        return (
            f"the gradient of {part} must not vanish, got exactly 0 at iteration {iteration} and since iteration "
            f"{first}: it has collapsed and learns no more"
        )
