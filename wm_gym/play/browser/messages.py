"""What a page and the server say to each other.

A page says JSON, `{"do": "act", "text": "turn left", "number": 7}` (or `"numbers": [0.5, -1]` in place of the text), or
the pixels of a frame to start from, RGB. It says `{"do": "hello"}` first, and `{"do": "seen", "number": n}` of each
scene. The server says JSON too, and each scene as one binary message: the length of its JSON in four bytes, least
first, the JSON, then the pixels of each panel, RGB.
"""

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import UInt8

from wm_gym.play.request import ALL_STEPS, NUM_SLOTS, Action, Request
from wm_gym.play.scene import Scene, spell
from wm_gym.play.session import VIEWS

MAX_TEXT = 4096  # characters of a JSON message
MAX_NUMBER = 2**53 - 1  # beyond, a page's numbers lose digits

Frame = UInt8[np.ndarray, "height width 3"]
Fields: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Hello:
    """What a page says first.

    Attributes:
        token: the secret, where the server asks for one.
        resume: the session that it had; "" for none.
    """

    token: str = ""
    resume: str = ""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The page has drawn scene `number`, and so all before it."""

    number: int


@dataclass(frozen=True)
class Leave:
    """The player is done: end the session."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The player wants something; `number` is the page's own."""

    request: Request
    number: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """The player wants to start from a frame."""

    frame: Frame


Message: TypeAlias = Seen | Leave | Asked | Picture


def parse_hello(message: str | bytes) -> Hello:
    """Read the first message.

    Raises:
        ValueError: it is none.
    """
    fields = _parse_object(message)
    if fields.get("do") != "hello":
        raise ValueError(f"the first message must be a hello, got {fields.get('do')!r}")
    return Hello(token=_text(fields, "token"), resume=_text(fields, "resume"))


def parse(message: str | bytes, frame_size: tuple[int, int]) -> Message:
    """Read any other message.

    Raises:
        ValueError: it is none.
    """
    if isinstance(message, bytes):
        return Picture(frame=_parse_frame(message, frame_size))
    fields = _parse_object(message)
    name = fields.get("do")
    if name == "seen":
        return Seen(number=_number(fields, "number", 0, MAX_NUMBER, 0))
    if name == "leave":
        return Leave()
    if not isinstance(name, str) or name not in _REQUESTS:
        raise ValueError(f"do must be one of {', '.join(_REQUESTS)}, seen, leave, got {name!r}")
    return Asked(request=_REQUESTS[name](fields), number=_number(fields, "number", 0, MAX_NUMBER, 0))


def encode_scene(scene: Scene, *, number: int, heard: int, idle: bool) -> bytes:
    """A scene as a page reads it.

    Args:
        scene: what to show.
        number: of the scene, for the page to say what it has seen.
        heard: number of the latest request that the server had when it made the scene.
        idle: whether no request waited then.
    """
    panels = [
        {
            "name": panel.name,
            "shape": panel.chunk.shape,
            "reward": _finite(panel.reward),
            "total": _finite(panel.total),
            "ended": panel.ended,
        }
        for panel in scene.panels
    ]
    head = {
        "number": number,
        "heard": heard,
        "idle": idle,
        "panels": panels,
        "action": spell(scene.action) if scene.step else "start",
        "step": scene.step,
        "seed": str(scene.seed),
        "undone": scene.num_undone,
        "bookmarks": scene.bookmarks,
        "uncertainty": None if scene.uncertainty is None else _finite(scene.uncertainty),
        "latencies": {stage: _finite(value) for stage, value in scene.latencies.items()},
        "driver": scene.driver,
        "over": scene.over,
        "message": scene.message,
        "failed": scene.failed,
    }
    data = json.dumps(head, allow_nan=False).encode()
    pixels = (np.ascontiguousarray(panel.chunk).tobytes() for panel in scene.panels)
    return b"".join((struct.pack("<I", len(data)), data, *pixels))


def encode_error(message: str) -> str:
    """Why a message was refused."""
    return json.dumps({"error": message})


def encode_welcome(facts: Fields) -> str:
    """What a page must know to play."""
    return json.dumps({"welcome": facts}, allow_nan=False)


def _parse_object(message: str | bytes) -> Fields:
    if isinstance(message, bytes):
        raise ValueError("message must be JSON, got bytes")
    if len(message) > MAX_TEXT:
        raise ValueError(f"message must have at most {MAX_TEXT} characters, got {len(message)}")
    try:
        fields = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"message must be JSON, got {message[:40]!r}") from error
    if not isinstance(fields, dict):
        raise ValueError(f"message must be a JSON object, got {message[:40]!r}")
    return fields


def _parse_frame(data: bytes, frame_size: tuple[int, int]) -> Frame:
    shape = (*frame_size, 3)
    if len(data) != math.prod(shape):
        raise ValueError(f"a frame must have {math.prod(shape)} bytes, {shape}, got {len(data)}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _text(fields: Fields, name: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {value!r:.40}")
    return value


def _action(fields: Fields) -> Action:
    """A text, or numbers where the page sends some."""
    numbers = fields.get("numbers")
    if numbers is None:
        return _text(fields, "text")
    if not isinstance(numbers, list) or not all(type(number) in (int, float) for number in numbers):
        raise ValueError(f"numbers must be a list of numbers, got {numbers!r:.40}")
    return tuple(map(float, numbers))


def _number(fields: Fields, name: str, low: int, high: int, default: int | None = None) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name} must be an integer from {low} to {high}, got {value!r:.40}")
    return value


def _seed(fields: Fields) -> int | None:
    return None if fields.get("seed") is None else _number(fields, "seed", 0, MAX_NUMBER)


def _view(fields: Fields) -> str | None:
    view = fields.get("view")
    if view is not None and view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {view!r:.40}")
    return view


def _finite(value: float) -> float | None:
    """The number, or None where JSON has none for it."""
    return value if math.isfinite(value) else None


_REQUESTS: dict[str, Callable[[Fields], Request]] = {
    "act": lambda fields: Request("act", _action(fields)),
    "drive": lambda fields: Request("drive"),
    "undo": lambda fields: Request("undo", count=_number(fields, "count", 1, ALL_STEPS, 1)),
    "redo": lambda fields: Request("redo", count=_number(fields, "count", 1, ALL_STEPS, 1)),
    "bookmark": lambda fields: Request("bookmark", _number(fields, "slot", 1, NUM_SLOTS)),
    "branch": lambda fields: Request("branch", _number(fields, "slot", 1, NUM_SLOTS)),
    "reset": lambda fields: Request("reset", _seed(fields)),
    "view": lambda fields: Request("view", _view(fields)),
}
