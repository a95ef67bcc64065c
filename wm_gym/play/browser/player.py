"""One player: a session, what it was asked, and the page that shows it, which may get lost and come back."""

import asyncio
import secrets
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from wm_gym.play.browser.feed import Feed
from wm_gym.play.browser.messages import Asked, Frame
from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session
from wm_gym.play.worker import Inbox

Think: TypeAlias = Callable[..., Awaitable[Any]]  # (function, *arguments): runs it where the model is


class Player:
    """Plays a session for one page at a time. It lives in the event loop; the session in the thread behind `think`.

    Attributes:
        name: a secret by which its page gets it back.
        broken: what broke the session, "" while it is whole.
        scene: the latest.
        feed: to the page; None while there is none.
        last_heard: when the player last asked for something, by the event loop's clock.
        lost_at: when the page was lost.

    Args:
        session: nobody else may use it meanwhile.
        think: runs a function in the thread of the model.
    """

    def __init__(self, session: Session, scene: Scene, think: Think) -> None:
        self.name = secrets.token_urlsafe(16)
        self.broken = ""
        self.scene = scene
        self.feed: Feed | None = None
        self.last_heard = self.lost_at = asyncio.get_running_loop().time()
        self._session = session
        self._think = think
        self._inbox = Inbox()
        self._heard = 0
        self._thinking: asyncio.Task[None] | None = None
        self._pictures = tempfile.TemporaryDirectory(prefix="wm-gym-play-")

    @property
    def num_waiting(self) -> int:
        """Requests that wait, without the one that runs."""
        return len(self._inbox)

    def attach(self, feed: Feed, message: str) -> None:
        """A page is there: show it where things stand. Its numbers begin anew."""
        self.feed, self._heard = feed, 0
        feed.show(self.scene.say(message), heard=0, idle=not self._inbox)

    def detach(self, feed: Feed) -> None:
        """The page with this feed is gone; nothing if another took its place."""
        if self.feed is feed:
            self.feed, self.lost_at = None, asyncio.get_running_loop().time()

    def ask(self, asked: Asked) -> None:
        """Let a request wait for its turn."""
        self._heard = max(self._heard, asked.number)
        self._push(asked.request)

    def start(self, frame: Frame) -> None:
        """Ask for an episode that starts at a frame."""
        path = Path(self._pictures.name) / "start.png"
        Image.fromarray(frame).save(path)
        self._push(Request("start", path))

    async def close(self) -> None:
        """End the session after the request that runs; what was recorded is saved.

        Raises:
            OSError: it cannot be saved.
        """
        while self._inbox:
            self._inbox.pop()
        if self._thinking is not None:
            await self._thinking
        self._pictures.cleanup()
        await self._think(_close, self._session)

    def _push(self, request: Request) -> None:
        self.last_heard = asyncio.get_running_loop().time()
        self._inbox.push(request)
        if self._thinking is None or self._thinking.done():
            self._thinking = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        """Do what waits, one after the other; players take turns, since each has one request with the model."""
        while self._inbox and not self.broken:
            try:
                self.scene = await self._think(self._session.attempt, self._inbox.pop())
            except Exception as error:  # a bug, or an env's own failure: this session ends, the others play on
                self.broken = f"{type(error).__name__}: {error}"
                return
            if self.feed is not None:
                self.feed.show(self.scene, heard=self._heard, idle=not self._inbox)


def _close(session: Session) -> None:
    """End a session, and the simulator that it may have."""
    try:
        session.close()
    finally:
        for track in session.stage.tracks[1:]:
            track.env.close()
