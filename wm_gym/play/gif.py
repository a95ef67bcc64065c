"""A GIF that grows on disk picture by picture: nothing of it stays in memory, and after a crash it still plays.

Pillow encodes each picture as a GIF of its own; its palette becomes the picture's local one. Only the rectangle that
changed is written. The format: https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

import io
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wm_gym.play.append_whole import append_whole

Picture = UInt8[np.ndarray, "height width 3"]

_FOREVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
_TRAILER = b"\x3b"


class GifWriter:
    """Writes pictures of one size.

    Args:
        path: the file.
        frames_per_second: the pace; GIF counts in hundredths of a second.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self._unused = None if path.exists() else path  # to be removed where no picture comes
        self._file = path.open("ab", buffering=0)  # what was there stays until the first picture
        self._delay = max(2, round(100 / frames_per_second))  # players take 1 for "as slow as you like"
        self._last: Picture | None = None

    def add(self, picture: Picture) -> None:
        """Write the next picture.

        Raises:
            OSError: the disk is full. The film stays as it was.
        """
        top, bottom, left, right = _changed(self._last, picture)
        palette, data = _encode(picture[top:bottom, left:right])
        depth = (len(palette) // 3).bit_length() - 2  # a palette has 2 ** (depth + 1) colours
        size = struct.pack("<HH", picture.shape[1], picture.shape[0])
        head = b"GIF89a" + size + b"\x70\x00\x00" + _FOREVER if self._last is None else b""
        control = b"\x21\xf9\x04\x04" + struct.pack("<H", self._delay) + b"\x00\x00"
        place = b"\x2c" + struct.pack("<HHHH", left, top, right - left, bottom - top) + bytes([0x80 | depth])
        if self._last is None:
            self._file.truncate(0)
        append_whole(self._file, head + control + place + palette + data)
        self._last, self._unused = picture, None

    def close(self) -> None:
        """Finish the file; twice is fine. Without a picture all is as it was before.

        Raises:
            OSError: the disk is full. It plays all the same.
        """
        if self._file.closed:
            return
        with self._file:
            if self._last is not None:
                append_whole(self._file, _TRAILER)
        if self._unused is not None:
            self._unused.unlink()


def _changed(before: Picture | None, picture: Picture) -> tuple[int, int, int, int]:
    """The smallest rectangle (top, bottom, left, right) that holds every change, at least one pixel."""
    if before is None:
        return 0, picture.shape[0], 0, picture.shape[1]
    differs = (before != picture).any(axis=2)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if not len(rows):
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _encode(picture: Picture) -> tuple[bytes, bytes]:
    """The palette and the compressed pixels, as Pillow writes them."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).quantize(256).save(buffer, format="GIF", interlace=False)
    data = buffer.getvalue()
    flags = data[10]  # of the screen: bit 7 says that there is a palette, bits 0 to 2 how long it is
    palette = data[13 : 13 + 3 * 2 ** ((flags & 7) + 1)]
    start = 13 + len(palette)
    while data[start] == 0x21:  # an extension: its blocks, each after its length, up to an empty one
        start += 2
        while data[start]:
            start += data[start] + 1
        start += 1
    return palette, data[start + 10 : -1]  # past the image's own descriptor, without the trailer
