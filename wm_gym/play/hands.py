"""Keys and sticks that are held, and the clock: what should happen next when nothing new was pressed."""

from collections.abc import Hashable

from wm_gym.play.request import Request

FIRST_REPEAT = 0.3  # seconds that a key is held before it repeats, where the world waits for its player


class Hands:
    """What is held down. The latest of it goes on, once a step's time; where time runs, nothing held is an action too.

    All times are seconds of one clock of the caller's.

    Args:
        step_seconds: how long a step lasts at the world's own pace.
    """

    def __init__(self, step_seconds: float) -> None:
        self._pause = step_seconds
        self._held: dict[Hashable, Request] = {}
        self._next = 0.0

    def press(self, key: Hashable, request: Request, now: float, *, repeats: bool, running: bool) -> None:
        """A key went down, and its request was pushed."""
        self._next = now + (self._pause if running else max(FIRST_REPEAT, self._pause))
        if repeats:
            self._held[key] = request

    def hold(self, key: Hashable, request: Request) -> None:
        """A stick is away from its rest."""
        self._held.pop(key, None)
        self._held[key] = request

    def release(self, key: Hashable) -> None:
        """A key came up; one that nobody holds is fine."""
        self._held.pop(key, None)

    def release_all(self) -> None:
        """Nobody's hands are here any more."""
        self._held.clear()

    def due(self, now: float, idle: Request | None) -> Request | None:
        """The request to push now, if its time has come.

        Args:
            now: the time.
            idle: what happens while nothing is held; None where the world waits.
        """
        held = next(reversed(self._held.values()), idle)
        if held is None or now < self._next:
            return None
        late = now - self._next
        self._next = now + self._pause - (late if late < self._pause else 0.0)  # a beat is kept, none is made up for
        return held

    def seconds_left(self, now: float, idle: Request | None) -> float | None:
        """Until something may be due; None for never."""
        return max(0.0, self._next - now) if self._held or idle else None
