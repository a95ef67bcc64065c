"""The other side: worlds on a server as nodes of a tree, with nothing but the standard library, NumPy and Pillow.

client = WorldClient("http://127.0.0.1:8000")
root = client.first_round(seed=0)  # the start itself; with prompt= or image= what came of it
nodes = client.expand(root, ["turn left", "move forward"])  # answered by one call of the model
best = max(nodes, key=lambda node: node.reward)
client.frames(best)  # uint8 (time, height, width, 3)
"""

import base64
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wm_gym.serve.connection import Connection, ServeError, multipart

Frame = UInt8[np.ndarray, "height width 3"]
Chunk = UInt8[np.ndarray, "time height width 3"]

LISTEN_SECONDS = 20.0  # that one request waits for a task


@dataclass(frozen=True, kw_only=True)
class Node:
    """A state on the server, and the round that led to it.

    Attributes:
        state_id: its name: continue from it as often as you like.
        video_id: the tree that it belongs to.
        world: its world.
        rounds: since the start.
        reward: of the round.
        terminated: whether the round ended the episode.
        termination_probability: what that was thresholded from.
        uncertainty: of the model about the round.
        segment_path: the round as a GIF: a path of the server, or a file.
    """

    state_id: str
    video_id: str
    world: str
    rounds: int
    reward: float
    terminated: bool
    termination_probability: float
    uncertainty: float
    segment_path: str


class WorldClient:
    """Speaks with a server of worlds over one connection; for one thread at a time.

    Args:
        address: of the server, "http://host:port".
        token: the server's, where it has one.
        timeout: seconds that a call may take, with the times that the server is busy.

    Raises:
        ValueError: the address is none.
    """

    def __init__(self, address: str, token: str | None = None, timeout: float = 60.0) -> None:
        self._connection = Connection(address, token, timeout)
        self._timeout = timeout

    @property
    def num_busy(self) -> int:
        """Answers so far that the server is busy, after which it was asked again."""
        return self._connection.num_busy

    def first_round(
        self,
        prompt: str | None = None,
        *,
        image: Frame | None = None,
        world: str | None = None,
        start_index: int | None = None,
        seed: int = 0,
        denoising_steps: int | None = None,
    ) -> Node:
        """Begin a video.

        Args:
            prompt: the first text; None says nothing, and the node is the start itself.
            image: where the world starts, uint8; by default at a start of the checkpoint.
            world: of a checkpoint with several.
            start_index: which start of the checkpoint; by default the seed draws one.
            seed: of the world's noise.
            denoising_steps: decoder calls; by default the checkpoint's.

        Raises:
            ServeError: the server says no.
            OSError: there is no server, or it is gone.
        """
        form = {
            "first_prompt": prompt,
            "world": world,
            "start_index": start_index,
            "random_seed": seed,
            "denoising_steps": denoising_steps,
        }
        body, kind = multipart(_given(form), None if image is None else _png(image))
        return self._finish(self._post("/generate/first_round", body, kind))

    def proceed(
        self,
        node: Node | str,
        prompt: str | Sequence[float],
        *,
        seed: int | None = None,
        denoising_steps: int | None = None,
    ) -> Node:
        """Imagine one more round.

        Args:
            node: where from, or its state_id.
            prompt: a text, or numbers in the world's own range.
            seed: other noise from here on; by default the state's own goes on.
            denoising_steps: decoder calls; by default the checkpoint's.

        Raises:
            ServeError: the server says no; `reason` is "evicted" where the state had to go.
            OSError: there is no server, or it is gone.
        """
        return self._finish(self._continue(node, prompt, seed, denoising_steps, LISTEN_SECONDS))

    def expand(
        self, node: Node | str, prompts: Sequence[str | Sequence[float]], seeds: Sequence[int] | None = None
    ) -> list[Node]:
        """Imagine one more round with each of the prompts; what waits together is answered by one call of the model.

        Args:
            node: where from, or its state_id.
            prompts: one a child.
            seeds: one a child; by default the state's own noise goes on in each.

        Raises:
            ValueError: not one seed a prompt.
            ServeError: the server says no.
            OSError: there is no server, or it is gone.
        """
        each: Sequence[int | None] = [None] * len(prompts) if seeds is None else seeds
        if len(each) != len(prompts):
            raise ValueError(f"seeds must be one a prompt, {len(prompts)}, got {len(each)}")
        tasks = [self._continue(node, prompt, seed, None, 0.0) for prompt, seed in zip(prompts, each, strict=True)]
        return [self._finish(task) for task in tasks]

    def node(self, state_id: str) -> Node:
        """A state by its name.

        Raises:
            ServeError: there is none, or none any more.
            OSError: there is no server, or it is gone.
        """
        return _node(self._connection.ask("GET", f"/states/{quote(state_id, safe='')}"))

    def frames(self, node: Node | str) -> Chunk:
        """The frames of the round that led to a state, exact.

        Raises:
            ServeError: there is no such state, or none any more.
            OSError: there is no server, or it is gone.
        """
        answer = self._connection.ask("GET", f"/states/{quote(_id(node), safe='')}?frames=true")
        return np.stack([_picture(text) for text in answer["frames"]])

    def delete(self, video_id: str) -> dict[str, Any]:
        """Delete the states of a video.

        Raises:
            ServeError: there are none.
            OSError: there is no server, or it is gone.
        """
        return self._connection.ask("DELETE", f"/states/video/{quote(video_id, safe='')}")

    def delete_all(self) -> dict[str, Any]:
        """Delete every state, of every client."""
        return self._connection.ask("DELETE", "/states/all")

    def stats(self) -> dict[str, Any]:
        """How the server does."""
        return self._connection.ask("GET", "/stats/summary")

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def __enter__(self) -> "WorldClient":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _continue(
        self, node: Node | str, prompt: str | Sequence[float], seed: int | None, steps: int | None, wait: float
    ) -> dict[str, Any]:
        said = {"new_prompt": prompt} if isinstance(prompt, str) else {"new_controls": [float(each) for each in prompt]}
        body = _given({"state_id": _id(node), **said, "random_seed": seed, "denoising_steps": steps})
        return self._post("/generate/continue", json.dumps(body).encode(), "application/json", wait)

    def _post(self, path: str, body: bytes, kind: str, wait: float = LISTEN_SECONDS) -> dict[str, Any]:
        query = urlencode({"wait": min(wait, self._timeout)})
        return self._connection.ask("POST", f"{path}?{query}", body, kind)

    def _finish(self, task: dict[str, Any]) -> Node:
        """Wait until a task is over.

        Raises:
            ServeError: it failed.
            TimeoutError: it takes too long.
        """
        end = time.monotonic() + self._timeout
        while task["status"] not in ("completed", "failed"):
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"a task must be over within {self._timeout:g} s, got one that is {task['status']}")
            wait = urlencode({"wait": min(left, LISTEN_SECONDS)})
            task = self._connection.ask("GET", f"/task/status/{task['task_id']}?{wait}")
        if task["status"] == "failed":
            raise ServeError(200, "failed", task["error_message"])
        return _node(task["result"])


def _node(result: Mapping[str, Any]) -> Node:
    given = {**result, "state_id": result["new_state_id"]}
    return Node(**{field.name: given[field.name] for field in fields(Node)})


def _id(node: Node | str) -> str:
    return node if isinstance(node, str) else node.state_id


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _picture(text: str) -> Frame:
    return np.array(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def _png(frame: Frame) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()
