"""Reading a video of any usual kind, frame by frame, at the size of the dataset."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from wm_gym.data.formats.optional import require

SUFFIXES = frozenset((".avi", ".gif", ".m4v", ".mkv", ".mov", ".mp4", ".webm"))
SIDE = 64  # pixels of a thumbnail's height and width
_WHOLE = 0.98  # share of the frames that the header counts; edit lists hide a few


class VideoError(ValueError):
    """A video that cannot be read from some second on; the text names the file, the second and what to do."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame.

    Attributes:
        time: seconds since the video's first frame.
        picture: at the dataset's size.
        thumbnail: a small copy, on which cuts and flaws are found.
    """

    time: float
    picture: UInt8[np.ndarray, "height width 3"]
    thumbnail: UInt8[np.ndarray, "side side 3"]


@dataclass(frozen=True)
class VideoFacts:
    """What a video's header says.

    Attributes:
        frame_size: height and width in pixels, as it is shown.
        fps: frames a second on average.
    """

    frame_size: tuple[int, int]
    fps: float


def read_facts(path: Path) -> VideoFacts:
    """Reads a video's first frame for its size and rate.

    Raises:
        ImportError: `av` is not installed.
        VideoError: it cannot be read.
    """
    av = require("av", "videos")
    try:
        with av.open(str(path)) as container:
            stream = _stream(container, path)
            frame = next(container.decode(stream), None)
            if frame is None:
                raise VideoError(_unreadable(path, 0.0, "no frame in it"))
            height, width = (frame.height, frame.width) if frame.rotation % 180 == 0 else (frame.width, frame.height)
            return VideoFacts((height, width), float(stream.average_rate or stream.guessed_rate or 25))
    except (OSError, av.FFmpegError) as error:
        raise VideoError(_unreadable(path, 0.0, error)) from error


def read_frames(path: Path, frame_size: tuple[int, int]) -> Iterator[Frame]:
    """Reads a video's frames in order, each scaled to cover (height, width) and cropped around its centre.

    Raises:
        ImportError: `av` is not installed.
        VideoError: it cannot be read from some frame on; those before were given.
    """
    av = require("av", "videos")
    time, first, count = 0.0, None, 0
    try:
        with av.open(str(path)) as container:
            stream = _stream(container, path)
            stream.codec_context.options = {"err_detect": "explode"}  # an error, not a picture patched up with grey
            rate = float(stream.average_rate or stream.guessed_rate or 25)
            for frame in container.decode(stream):
                seconds = count / rate if frame.time is None else float(frame.time)
                first = seconds if first is None else first
                time, count = seconds - first, count + 1
                picture = _picture(frame, frame_size)
                yield Frame(time, picture, _thumbnail(picture))
            if count < _WHOLE * stream.frames - 1:
                raise VideoError(_unreadable(path, time, f"{count} of {stream.frames} frames: it was cut"))
    except (OSError, av.FFmpegError) as error:
        raise VideoError(_unreadable(path, time, error)) from error
    if not count:
        raise VideoError(_unreadable(path, 0.0, "no frame in it"))


def _stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise VideoError(_unreadable(path, 0.0, "no pictures in it"))
    return container.streams.video[0]


def _unreadable(path: Path, time: float, got: object) -> str:
    reason = getattr(got, "strerror", None) or got
    return f"{path} at {time:.2f} s must be a readable video, got {reason}; the rest of it is skipped, get it again"


def _picture(frame: Any, frame_size: tuple[int, int]) -> UInt8[np.ndarray, "height width 3"]:
    turns = round(frame.rotation / 90) % 4  # as phones store it: to be turned counterclockwise
    height, width = frame_size if turns % 2 == 0 else frame_size[::-1]
    scale = max(height / frame.height, width / frame.width)
    scaled_height, scaled_width = max(height, round(frame.height * scale)), max(width, round(frame.width * scale))
    scaled = frame.reformat(width=scaled_width, height=scaled_height, format="rgb24", interpolation="AREA")
    top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
    picture = scaled.to_ndarray()[top : top + height, left : left + width]
    return np.ascontiguousarray(np.rot90(picture, turns))


def _thumbnail(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "side side 3"]:
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))
