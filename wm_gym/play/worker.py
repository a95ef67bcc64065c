"""Thinking in a thread: the window stays alive, the latest input wins, and no more than two requests ever wait."""

import threading
import time
from collections.abc import Callable

from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session

MAX_WAITING = 2


class Inbox:
    """Requests that wait, at most `MAX_WAITING`; the later takes the place of the earlier one that it outdates."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def push(self, request: Request) -> None:
        """Let a request wait. Where there is no room, it takes the place of the last one."""
        merged = self._waiting[-1].merge(request) if self._waiting else None
        if merged is not None:
            self._waiting[-1] = merged
        elif len(self._waiting) < MAX_WAITING:
            self._waiting.append(request)
        else:
            self._waiting[-1] = request

    def pop(self) -> Request:
        """The one that waited longest."""
        return self._waiting.pop(0)


class Worker:
    """Runs a session's requests in a thread of its own. All other methods are for one other thread.

    Attributes:
        error: what broke the session, if something did; the thread has ended then.

    Args:
        session: nobody else may use it meanwhile.
        on_scene: called in the thread after each request, to wake whoever shows scenes.
    """

    def __init__(self, session: Session, on_scene: Callable[[], None] = lambda: None) -> None:
        self.error: BaseException | None = None
        self._session = session
        self._on_scene = on_scene
        self._inbox = Inbox()
        self._scenes: list[Scene] = []
        self._busy_since: float | None = None
        self._closing = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="wm-gym-play", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        """Requests that wait, without the one that runs."""
        return len(self._inbox)

    @property
    def idle(self) -> bool:
        """Whether nothing runs or waits, and every scene was taken."""
        with self._condition:
            return self._busy_since is None and not self._inbox and not self._scenes

    @property
    def thinking_seconds(self) -> float:
        """For how long the present request has been running; 0 when idle."""
        since = self._busy_since
        return 0.0 if since is None else time.perf_counter() - since

    def push(self, request: Request) -> None:
        """Ask for something and return at once."""
        with self._condition:
            self._inbox.push(request)
            self._condition.notify()

    def take(self) -> list[Scene]:
        """The scenes since the last call, oldest first."""
        with self._condition:
            scenes, self._scenes = self._scenes, []
            return scenes

    def close(self, timeout: float = 30.0) -> None:
        """Stop after the request that runs; what waits is dropped.

        Args:
            timeout: seconds to wait for it. A model that takes longer is left behind.
        """
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while (request := self._next()) is not None:
            try:
                scene = self._session.attempt(request)
            except BaseException as error:  # whoever shows scenes must learn of it
                self.error = error
                self._on_scene()
                return
            with self._condition:
                self._scenes.append(scene)
                self._busy_since = None
            self._on_scene()

    def _next(self) -> Request | None:
        """The next request, or None when it is time to stop."""
        with self._condition:
            while not self._inbox and not self._closing:
                self._condition.wait()
            if self._closing:
                return None
            self._busy_since = time.perf_counter()
            return self._inbox.pop()
