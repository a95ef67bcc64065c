"""Scenes on their way to one page: a page that is slow misses some, and none ever pile up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from wm_gym.play.browser.messages import encode_error, encode_scene
from wm_gym.play.scene import Scene

MAX_UNSEEN = 2  # scenes under way: one on the wire while the page draws the other

Send = Callable[[str | bytes], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Showing:
    """A scene, and what the server had heard when it was made."""

    scene: Scene
    heard: int
    idle: bool


class Feed:
    """What one connection shall be told. Only the latest scene waits, and the latest error.

    Buffers of the network would hide a slow page, so the page says what it has seen.

    Attributes:
        num_dropped: scenes that a later one took the place of.
    """

    def __init__(self) -> None:
        self.num_dropped = 0
        self._waiting: _Showing | None = None
        self._error = ""
        self._num_sent = 0
        self._num_seen = 0
        self._news = asyncio.Event()

    def show(self, scene: Scene, *, heard: int, idle: bool) -> None:
        """Send a scene when the page is ready; its message outlives it, where the next has none."""
        if self._waiting is not None:
            self.num_dropped += 1
            missed = self._waiting.scene
            if missed.message and not scene.message:
                scene = replace(scene, message=missed.message, failed=missed.failed)
        self._waiting = _Showing(scene=scene, heard=heard, idle=idle)
        self._news.set()

    def tell(self, error: str) -> None:
        """Send an error."""
        self._error = error
        self._news.set()

    def seen(self, number: int) -> None:
        """The page has drawn scene `number`.

        Raises:
            ValueError: no such scene was sent.
        """
        if number > self._num_sent:
            raise ValueError(f"number must be that of a scene, at most {self._num_sent}, got {number}")
        self._num_seen = max(self._num_seen, number)
        self._news.set()

    async def run(self, send: Send) -> None:
        """Send for ever; ends with the task, or with what `send` raises."""
        while True:
            await self._news.wait()
            self._news.clear()
            if self._error:
                error, self._error = self._error, ""
                await send(encode_error(error))
            if self._waiting is not None and self._num_sent - self._num_seen < MAX_UNSEEN:
                now, self._waiting = self._waiting, None
                self._num_sent += 1
                await send(encode_scene(now.scene, number=self._num_sent, heard=now.heard, idle=now.idle))
