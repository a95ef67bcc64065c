"""Videos of LeRobot v3.0: many episodes one after the other in an mp4, found by their time in it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.data.formats.optional import require
from wm_gym.data.manifest import DatasetError

CODEC, PIXEL_FORMAT = "h264", "gbrp"  # as LeRobot's `info` names what libx264rgb writes
_OPTIONS = {"qp": "0", "preset": "veryfast", "g": "16", "bf": "0"}  # qp 0 of the RGB encoder loses nothing
_MAX_SECONDS = 1000  # LeRobot finds frames by float32 seconds to 1e-4, which longer videos do not resolve
_MAX_BYTES = 200_000_000  # LeRobot's own limit


class VideoWriter:
    """Writes the frames of one camera without loss, into a new file when one is full.

    Attributes:
        index: the number of the file that is written now.
        num_frames: frames in it.
    """

    def __init__(self, folder: Path, pattern: str, fps: int) -> None:
        """Prepares to write files named by a pattern with `chunk_index` and `file_index` below a folder."""
        self.index = -1
        self.num_frames = 0
        self._folder, self._pattern, self._fps = folder, pattern, fps
        self._av = require("av", "lerobot")
        self._container: Any = None
        self._stream: Any = None

    def append(self, frames: UInt8[np.ndarray, "time height width 3"]) -> tuple[int, float, float]:
        """Writes an episode's frames; returns the file's number, and from and to which second they are in it."""
        is_full = self.num_frames + len(frames) > _MAX_SECONDS * self._fps and self.num_frames > 0
        if self._container is None or is_full or self._path().stat().st_size > _MAX_BYTES:
            self._open(frames.shape[1], frames.shape[2])
        first = self.num_frames
        for picture in frames:
            frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = self.num_frames, Fraction(1, self._fps)
            self._container.mux(self._stream.encode(frame))
            self.num_frames += 1
        return self.index, first / self._fps, self.num_frames / self._fps

    def close(self) -> None:
        """Ends the file; twice is fine."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None

    def _path(self) -> Path:
        return self._folder / self._pattern.format(chunk_index=self.index // 1000, file_index=self.index % 1000)

    def _open(self, height: int, width: int) -> None:
        self.close()
        self.index, self.num_frames = self.index + 1, 0
        self._path().parent.mkdir(parents=True, exist_ok=True)
        self._container = self._av.open(str(self._path()), "w")
        self._stream = self._container.add_stream("libx264rgb", rate=self._fps, options=_OPTIONS)
        self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "rgb24"
        self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, self._fps)


def read_frames(path: Path, start: float, num_frames: int, fps: float) -> UInt8[np.ndarray, "time height width 3"]:
    """Reads the frames from a second of a video on.

    Args:
        path: the video.
        start: seconds.
        num_frames: how many.
        fps: frames a second.

    Raises:
        DatasetError: the video cannot be read, or holds fewer.
    """
    av = require("av", "lerobot")
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            container.seek(max(0, int((start - 0.5 / fps) / stream.time_base)), stream=stream)
            frames = list(_from(container.decode(stream), start - 0.5 / fps, num_frames))
    except (OSError, ValueError, IndexError, av.FFmpegError) as error:
        raise DatasetError(f"{path} must be a readable video, got {error}; get it again") from error
    if len(frames) < num_frames:
        rule = f"must hold {num_frames} frames from second {start:g} on"
        raise DatasetError(f"{path} {rule}, got {len(frames)}: it was cut; get it again")
    return np.stack(frames)


def _from(decoded: Any, start: float, num_frames: int) -> Iterator[np.ndarray]:
    count = 0
    for frame in decoded:
        if frame.time is not None and frame.time >= start:
            yield frame.to_ndarray(format="rgb24")
            count += 1
        if count == num_frames:
            return
