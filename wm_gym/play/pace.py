"""How fast steps come."""

from collections import deque

SECONDS = 2.0  # over which they are counted


class Pace:
    """Counts steps. Times are seconds of one clock of the caller's."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=512)

    def count(self, now: float) -> None:
        """A step came."""
        self._times.append(now)

    def per_second(self, now: float) -> float:
        """Steps a second, lately."""
        return sum(time > now - SECONDS for time in self._times) / SECONDS
