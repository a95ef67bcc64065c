"""Frames that were shown, in a temporary file: history holds a few numbers a step in memory, not pictures."""

import tempfile
import threading
import weakref
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.play.append_whole import append_whole

Chunk = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, slots=True)
class Span:
    """Where a chunk lies in its spool, in bytes."""

    offset: int
    size: int


class Spool:
    """Chunks of one shape, compressed without loss; the file goes with the object. Threads may share it.

    Args:
        chunk_shape: (time, height, width, 3).
    """

    def __init__(self, chunk_shape: tuple[int, ...]) -> None:
        self._shape = chunk_shape
        self._file: Any = tempfile.TemporaryFile(prefix="wm-gym-play-", buffering=0)
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def append(self, chunk: Chunk) -> Span:
        """Keep a chunk.

        Raises:
            OSError: the disk is full.
        """
        data = zlib.compress(chunk.tobytes(), level=1)
        with self._lock:
            offset = append_whole(self._file, data)
        return Span(offset, len(data))

    def read(self, span: Span) -> Chunk:
        """The chunk that was kept there, in memory of its own."""
        with self._lock:
            self._file.seek(span.offset)
            data = self._file.read(span.size)
        return np.frombuffer(zlib.decompress(data), np.uint8).reshape(self._shape).copy()
