"""A server in a thread, and pages that are no browsers: what a page says and hears, by hand."""

import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from wm_gym.play.browser.config import BrowserConfig
from wm_gym.play.browser.server import Server
from wm_gym.play.browser.sessions import Sessions
from wm_gym.play.config import PlayConfig

PATIENCE = 20.0  # seconds that a test waits for anything


class Served:
    """A running server.

    Attributes:
        server: it.
        said: what its owner was told.
        sockets: the connections made here, closed with it.
    """

    def __init__(self, server: Server, said: list[str]) -> None:
        self.server = server
        self.said = said
        self.sockets = ExitStack()

    @property
    def address(self) -> str:
        """Of the page, "http://..."."""
        return self.server.address

    @property
    def host(self) -> str:
        """As the `Host` header has it."""
        return self.address.removeprefix("http://").partition("/")[0]

    def enter(self, *, resume: str = "", token: str = "", **options: Any) -> "Page":
        """Open a WebSocket and say hello."""
        page = Page(self.connect(**options))
        page.say(do="hello", resume=resume, token=token)
        return page

    def connect(self, path: str = "/play", **options: Any) -> ClientConnection:
        """Open a WebSocket."""
        address = f"ws://{self.host}{path}"
        return self.sockets.enter_context(connect(address, compression=None, max_size=2**24, **options))


class Page:
    """What a page would do, one message at a time.

    Attributes:
        socket: the connection.
        head: numbers of the last scene.
        panels: its pixels.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.head: dict[str, Any] = {}
        self.panels: list[np.ndarray] = []
        self._number = 0

    def say(self, **fields: Any) -> None:
        """Say something."""
        self.socket.send(json.dumps(fields))

    def hear(self) -> Any:
        """The next message: a dict, or the bytes of a scene."""
        message = self.socket.recv(PATIENCE)
        return json.loads(message) if isinstance(message, str) else message

    def welcome(self) -> Any:
        """Hear the welcome and the first scene; the facts."""
        facts = self.hear()["welcome"]
        self.look()
        return facts

    def look(self) -> dict[str, Any]:
        """Hear a scene and say that it was seen; its numbers."""
        message = self.hear()
        assert isinstance(message, bytes), message
        (size,) = struct.unpack_from("<I", message)
        self.head = json.loads(message[4 : 4 + size])
        self.panels, offset = [], 4 + size
        for panel in self.head["panels"]:
            pixels = np.frombuffer(message, np.uint8, int(np.prod(panel["shape"])), offset)
            self.panels.append(pixels.reshape(panel["shape"]))
            offset += pixels.size
        assert offset == len(message)
        self.say(do="seen", number=self.head["number"])
        return self.head

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        """Ask for something and look at what comes of it."""
        self._number += 1
        self.say(do=do, number=self._number, **fields)
        while True:
            head = self.look()
            if head["heard"] >= self._number and head["idle"]:
                return head

    def act(self, text: str) -> dict[str, Any]:
        """Say a text to the world."""
        return self.ask("act", text=text)

    def complain(self) -> str:
        """Hear an error."""
        return str(self.hear()["error"])

    def leave(self) -> None:
        """Close the connection, as a page that is closed or reloaded does."""
        self.socket.close()


@contextmanager
def serving(checkpoint: Path | None, browser: BrowserConfig | None = None, **options: Any) -> Iterator[Served]:
    """Serve a checkpoint's world from a thread; what breaks there is raised here."""
    browser = browser or BrowserConfig(port=0)
    config = PlayConfig(checkpoint=None if checkpoint is None else str(checkpoint), **options)
    sessions = Sessions(config, browser.max_players)
    said: list[str] = []
    served = Served(Server(sessions, browser, said.append), said)
    stopped, errors = threading.Event(), []

    def run() -> None:
        import asyncio

        try:
            asyncio.run(served.server.run(stopped.is_set))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: bool(served.address or errors))
        if not errors:
            yield served
    finally:
        stopped.set()
        thread.join(PATIENCE)
        served.sockets.close()
        sessions.close()
    if errors:
        raise errors[0]
    assert not thread.is_alive(), "the server must end"


def wait_until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.005)
