"""A server in a thread, and the requests of PAN's client."""

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from wm_gym.serve.client import WorldClient
from wm_gym.serve.config import ServeConfig
from wm_gym.serve.server import Server

PATIENCE = 60.0  # seconds that a test waits for anything
LONG_STEPS = 200  # denoising steps that keep even a tiny model busy for a while


class Served:
    """A running server.

    Attributes:
        address: "http://127.0.0.1:port".
        http: a client that knows nothing of worlds.
        stop: stops it.
    """

    def __init__(self, address: str, stop: Callable[[], None]) -> None:
        self.address = address
        self.stop = stop
        self.http = httpx2.Client(base_url=address, timeout=PATIENCE, trust_env=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.address.rpartition(":")[2])

    def client(self, **options: Any) -> WorldClient:
        """The project's own client."""
        return WorldClient(self.address, **options)

    def first(self, query: str = "wait=20", image: bytes | None = None, **form: Any) -> httpx2.Response:
        """POST a first round."""
        files: dict[str, Any] = {name: (None, str(value)) for name, value in form.items()}
        if image is not None:
            files["image"] = ("image.png", image, "image/png")
        return self.http.post(f"/generate/first_round?{query}", files=files or {"random_seed": (None, "0")})

    def proceed(self, state_id: str, prompt: str = "go left", query: str = "wait=20", **fields: Any) -> httpx2.Response:
        """POST one more round."""
        body = {"state_id": state_id, "new_prompt": prompt, **fields}
        return self.http.post(f"/generate/continue?{query}", json=body)

    def root(self, **form: Any) -> dict[str, Any]:
        """The result of a first round."""
        return result_of(self.first(**form))

    def speak(self, data: bytes, seconds: float = 10.0) -> bytes:
        """What the server says to bytes on a socket until it closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(data)
            return heard(connection)

    def stats(self) -> dict[str, Any]:
        """How it does."""
        answer: dict[str, Any] = self.http.get("/stats/summary").json()
        return answer


@contextmanager
def serving(checkpoint: Path, **options: Any) -> Iterator[Served]:
    """Serve a checkpoint from a thread; what breaks there is raised here."""
    said: list[str] = []
    server = Server(str(checkpoint), ServeConfig(port=0, **options), said.append)
    errors: list[BaseException] = []

    def run() -> None:
        try:
            server.run()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        wait_until(lambda: bool(said or errors))
        if not errors:
            served = Served(said[0], server.stop)
            with served.http:
                yield served
    finally:
        server.stop()
        thread.join(PATIENCE)
    if errors:
        raise errors[0]
    assert not thread.is_alive(), "the server must end"


def heard(connection: socket.socket) -> bytes:
    """What a socket says until it closes."""
    said = b""
    while part := connection.recv(2**16):
        said += part
    return said


def result_of(response: httpx2.Response) -> dict[str, Any]:
    """The result of a request that waited for its task."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["status"] == "completed", body
    result: dict[str, Any] = body["result"]
    return result


def problem_of(response: httpx2.Response) -> tuple[int, str]:
    """Status and reason of an error; it is one sentence and one word."""
    body = response.json()
    assert sorted(body) == ["detail", "reason"], body
    assert len(body["detail"]) < 1000
    return response.status_code, body["reason"]


def png_of(frame: np.ndarray) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    """A file as a picture."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def wait_until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)
