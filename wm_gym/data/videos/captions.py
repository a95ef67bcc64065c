"""Captions: a video's own, from the text or JSON file of its name, or those that a captioner writes for each chunk."""

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from jaxtyping import UInt8

Captioner: TypeAlias = Callable[[UInt8[np.ndarray, "time height width 3"], float, str], str]

MAX_LENGTH = 256  # characters of a text that a world takes
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " "})  # noqa: RUF001


class CaptionError(ValueError):
    """A caption file that does not read; the text names the file and what it must hold."""


@dataclass(frozen=True)
class Captions:
    """What a video's caption file says.

    Attributes:
        spans: (from second, to second, text), in the file's order.
    """

    spans: tuple[tuple[float, float, str], ...] = ()

    def between(self, start: float, end: float) -> str | None:
        """The text of the span that covers most of these seconds, the first of equals; None where none does."""
        covered = [(min(end, to) - max(start, begin), -index) for index, (begin, to, _) in enumerate(self.spans)]
        seconds, index = max(covered, default=(0.0, 0))
        return self.spans[-index][2] if seconds > 0 else None


def read_captions(video: Path) -> Captions:
    """Reads NAME.json or else NAME.txt beside NAME.mp4; no spans where there is neither.

    A text file, a JSON string and {"caption": TEXT} are of the whole video; a JSON list (or {"captions": LIST}) of
    {"start": SECOND, "end": SECOND, "caption": TEXT} is of its parts.

    Raises:
        CaptionError: the file holds something else.
    """
    for suffix in (".json", ".txt"):
        path = video.with_suffix(suffix)
        if not path.exists():
            continue
        try:
            text = path.read_text(encoding="utf-8")
            return Captions(_spans(json.loads(text) if suffix == ".json" else text))
        except (OSError, ValueError, KeyError, TypeError) as error:
            got = f"no {error}" if isinstance(error, KeyError) else error
            rule = 'must be a caption, {"caption": TEXT}, or a list of {"start": 0.0, "end": 1.5, "caption": TEXT}'
            raise CaptionError(f"{path} {rule}, got {got}; {video.name} is skipped, repair the file") from error
    return Captions()


def plain_caption(text: object) -> str:
    """The text as a world takes it: one line of printable ASCII.

    Raises:
        ValueError: it is no text, is empty, or has other characters.
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r:.80}, which is no text")
    line = " ".join(text.translate(_PLAIN).split())
    if not line:
        raise ValueError("an empty caption")
    if not (line.isascii() and line.isprintable()):
        odd = next(character for character in line if not (character.isascii() and character.isprintable()))
        raise ValueError(f"the character {odd!r} in {line[:60]!r}, where worlds take printable ASCII")
    return line


def shortened(text: str) -> str:
    """The text up to the last whole sentence, else word, within the length that a world takes."""
    if len(text) <= MAX_LENGTH:
        return text
    head = text[: MAX_LENGTH + 1]
    end = head.rfind(". ") + 1 or head.rfind(" ")
    return head[: end if end > 0 else MAX_LENGTH]


def load_captioner(name: str) -> Captioner:
    """Imports a captioner by its "module:function" name.

    Raises:
        ValueError: there is none of that name.
    """
    module, colon, function = name.partition(":")
    try:
        captioner = getattr(importlib.import_module(module), function) if colon and function else None
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"captioner must be a function that can be imported, got {name!r} ({error})") from error
    if not callable(captioner):
        raise ValueError(f'captioner must be written "module:function", got {name!r}')
    return cast(Captioner, captioner)


def _spans(value: Any) -> tuple[tuple[float, float, str], ...]:
    if isinstance(value, dict):
        value = value["captions"] if "captions" in value else value["caption"]
    if isinstance(value, str):
        return ((0.0, float("inf"), plain_caption(value)),)
    if not isinstance(value, list) or not value:
        raise ValueError(repr(value)[:80])
    spans = tuple((float(span["start"]), float(span["end"]), plain_caption(span["caption"])) for span in value)
    for start, end, text in spans:
        if not start < end:
            raise ValueError(f"a span from {start} to {end} s of {text[:60]!r}")
    return spans
