"""One player: a session, what it was asked, and the page that shows it, which may get lost and come back."""

import asyncio
import io
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

from wm_gym.play.browser.feed import Feed
from wm_gym.play.browser.messages import Asked, Frame
from wm_gym.play.overlay import Overlay
from wm_gym.play.request import Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session
from wm_gym.play.worker import Inbox

if TYPE_CHECKING:
    from wm_gym.play.camera import Camera

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
        scene: what it shows now.
        think: runs a function in the thread of the model.
        script: what happens, one after the other, when the page lets it drive.
        camera: films every scene.
    """

    def __init__(
        self,
        session: Session,
        scene: Scene,
        think: Think,
        *,
        script: Sequence[Request] = (),
        camera: "Camera | None" = None,
    ) -> None:
        self.name = secrets.token_urlsafe(16)
        self.broken = ""
        self.scene = scene
        self.feed: Feed | None = None
        self.last_heard = self.lost_at = asyncio.get_running_loop().time()
        self._session = session
        self._think = think
        self._script = deque(script)
        self._is_scripted = bool(script)
        self._camera = camera
        self._inbox = Inbox()
        self._heard = 0
        self._thinking: asyncio.Task[None] | None = None

    @property
    def num_waiting(self) -> int:
        """Requests that wait, without the one that runs."""
        return len(self._inbox)

    def attach(self, feed: Feed, message: str) -> None:
        """A page is there: show it where things stand. Its numbers begin anew."""
        self.feed, self._heard = feed, 0
        feed.show(self.scene.say(message) if message else self.scene, heard=0, idle=not self._inbox)

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
        file = io.BytesIO()
        Image.fromarray(frame).save(file, format="PNG")
        self._push(Request("start", file))

    async def close(self) -> None:
        """End the session after the request that runs; what was recorded is saved.

        Raises:
            ValueError: it cannot be saved.
            OSError: the film cannot be finished.
        """
        while self._inbox:
            self._inbox.pop()
        if self._thinking is not None:
            await self._thinking
        try:
            await self._think(self._session.close)
        finally:
            if self._camera is not None:
                await self._think(self._camera.close)

    async def film(self) -> None:
        """Film the scene, where a camera is; on a full disk the film ends, and play goes on."""
        if self._camera is None:
            return
        try:
            await self._think(self._camera.shoot, self.scene, Overlay(filming=True))
        except OSError as error:
            camera, self._camera = self._camera, None
            self.scene = self.scene.say(f"the film is {camera.film.path} and ends here, got {error}", failed=True)
            self._show()
            with suppress(OSError):  # the same disk
                await self._think(camera.close)

    def _show(self) -> None:
        if self.feed is not None:
            self.feed.show(self.scene, heard=self._heard, idle=not self._inbox)

    def _push(self, request: Request) -> None:
        self.last_heard = asyncio.get_running_loop().time()
        self._inbox.push(request)
        if self._thinking is None or self._thinking.done():
            self._thinking = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        """Do what waits, one after the other; players take turns, since each has one request with the model."""
        while self._inbox and not self.broken:
            try:
                self.scene = await self._think(self._attempt, self._inbox.pop())
                self._show()
                await self.film()
            except Exception as error:  # a bug, or an env's own failure: this session ends, the others play on
                self.broken = f"{type(error).__name__}: {error}"

    def _attempt(self, request: Request) -> Scene:
        """Do a request; while there is a script, `drive` takes its next one. In the thread of the model."""
        if request.name != "drive" or not self._is_scripted:
            return self._session.attempt(request)
        if self._script:
            return replace(self._session.attempt(self._script.popleft()), driver="the script")
        self._is_scripted = False
        return self._session.scene("the script is over", failed=True)
