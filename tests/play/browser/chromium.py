"""A headless Chromium, driven through its DevTools protocol: real keys, real touches, real pixels."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from tests.play.browser.pages import PATIENCE, wait_until

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13, "Backspace": 8}  # by code


def find_chromium() -> str | None:
    """Its program, where it is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Refused(Exception):
    """Chromium could not do it, as while a page goes away."""


class Tab:
    """A tab of a running Chromium.

    Attributes:
        errors: what the page's scripts failed at.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._number = 0
        for domain in ("Page", "Runtime", "Log"):
            self.do(f"{domain}.enable")

    def do(self, method: str, **parameters: Any) -> Any:
        """Run a command of the protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(PATIENCE))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise Refused(answer)
                return answer["result"]
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(answer["params"]["exceptionDetails"]))
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["source"] == "security":
                self.errors.append(answer["params"]["entry"]["text"])

    def open(self, address: str) -> None:
        """Go to an address."""
        self.do("Page.navigate", url=address)

    def find(self, expression: str) -> Any:
        """The value of some JavaScript."""
        result = self.do("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def know(self, expression: str) -> Any:
        """The value of some JavaScript over the page's `state`; None where there is no page yet."""
        return self.find(
            f"import(location.origin + '/state.js').then(({{ state, answered }}) => ({expression}), () => null)"
        )

    def wait_for(self, expression: str) -> None:
        """Wait until some JavaScript over the page's `state` is true."""

        def is_true() -> bool:
            try:
                return bool(self.know(expression))
            except Refused:
                return False

        wait_until(is_true)

    def drop(self, path: Path, x: float = 200, y: float = 200) -> None:
        """Drop a file on the page."""
        data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.do("Input.dispatchDragEvent", type=kind, x=x, y=y, data=data)

    def press(self, key: str, code: str = "", *, up: bool = True, modifiers: int = 0) -> None:
        """Put a key down, and let it up."""
        code = code or (f"Key{key.upper()}" if len(key) == 1 else key)
        number = KEYS.get(key, ord(key[0].upper()))
        text = {"text": {"Enter": "\r"}.get(key, key)} if len(key) == 1 or key == "Enter" else {}
        fields = {"key": key, "code": code, "windowsVirtualKeyCode": number, "modifiers": modifiers}
        self.do("Input.dispatchKeyEvent", type="keyDown", **fields, **text)
        if up:
            self.do("Input.dispatchKeyEvent", type="keyUp", **fields)

    def touch(self, selector: str) -> None:
        """Touch the middle of an element."""
        place = self.find(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        point = {"x": place[0], "y": place[1]}
        self.do("Input.dispatchTouchEvent", type="touchStart", touchPoints=[point])
        self.do("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def photograph(self, path: Path) -> np.ndarray:
        """What the tab shows, RGB, also as a file."""
        path.write_bytes(base64.b64decode(self.do("Page.captureScreenshot")["data"]))
        with Image.open(path) as image:
            return np.array(image.convert("RGB"))


@contextmanager
def browsing(program: str, size: tuple[int, int] = (900, 1000)) -> Iterator[Tab]:
    """Run Chromium with one tab."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as home:
        options = [
            *("--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu", "--mute-audio"),
            *("--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update"),
            *(f"--user-data-dir={home}", f"--window-size={size[0]},{size[1]}", "--touch-events=enabled"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen([program, *options, "about:blank"], **silent)  # type: ignore[call-overload]
        try:
            with connect(_find_tab(Path(home)), max_size=2**26, compression=None) as socket:
                yield Tab(socket)
                socket.send('{"id": 0, "method": "Browser.close"}')
            process.wait(PATIENCE)
        finally:
            process.kill()
            process.wait()
            time.sleep(0.1)  # its children let go of the folder


def _find_tab(home: Path) -> str:
    """The address of the tab's WebSocket."""
    note = home / "DevToolsActivePort"
    wait_until(lambda: note.exists() and len(note.read_text().splitlines()) == 2, 60)
    port = note.read_text().split()[0]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
        return str(next(tab for tab in json.load(answer) if tab["type"] == "page")["webSocketDebuggerUrl"])
