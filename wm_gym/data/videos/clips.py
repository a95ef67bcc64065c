"""Clips: the shots of a video at one rate, in whole chunks, not too long."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.reading import Frame
from wm_gym.data.videos.shots import is_plain, with_cuts

_EARLY = 0.25  # of a frame's duration: rates like 29.97 and GIF's hundredths of a second are never exact


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """Frames of one shot.

    Attributes:
        start: the second of the first one in the video.
        pictures: at the dataset's rate; a multiple of `chunk_frames`, but for clips that are too short.
        thumbnails: a small copy of each.
    """

    start: float
    pictures: UInt8[np.ndarray, "time height width 3"]
    thumbnails: UInt8[np.ndarray, "time side side 3"]


def split(frames: Iterable[Frame], fps: float, config: VideoConfig) -> Iterator[Clip]:
    """Cuts a video into clips; at most one is in memory.

    Those with fewer than `min_chunks` chunks are given too, with all their frames, so that they can be counted.
    """
    longest, chunk = config.max_chunks * config.chunk_frames, config.chunk_frames
    for shot in _shots(frames, config):
        taken: list[Frame] = []
        start, is_continued = 0.0, False
        for number, frame in enumerate(_resampled(shot, fps)):
            start = frame.time if number == 0 else start
            if len(taken) == longest:
                yield _clip(taken, start)
                start += (longest - chunk) / fps
                taken, is_continued = taken[-chunk:], True
            taken.append(frame)
        whole = len(taken) - len(taken) % chunk
        is_short = whole < config.min_chunks * chunk
        if taken and not (is_short and is_continued):
            yield _clip(taken if is_short else taken[:whole], start)


def _clip(frames: list[Frame], start: float) -> Clip:
    return Clip(
        start=start,
        pictures=np.stack([frame.picture for frame in frames]),
        thumbnails=np.stack([frame.thumbnail for frame in frames]),
    )


def _shots(frames: Iterable[Frame], config: VideoConfig) -> Iterator[Iterator[Frame]]:
    """The frames of each shot, without those of one colour; a shot must be read to its end before the next."""
    source = with_cuts(frames, config)
    held: list[Frame] = []  # the frame that began the next shot

    def shot() -> Iterator[Frame]:
        yield held.pop()
        for frame, begins in source:
            plain = is_plain(frame.thumbnail)
            if begins and not plain:
                held.append(frame)
            if begins or plain:
                return
            yield frame

    while held or _next_picture(source, held):
        yield shot()


def _next_picture(source: Iterator[tuple[Frame, bool]], held: list[Frame]) -> bool:
    """Puts the next frame that is not of one colour into `held`; False where there is none."""
    for frame, _ in source:
        if not is_plain(frame.thumbnail):
            held.append(frame)
            return True
    return False


def _resampled(shot: Iterable[Frame], fps: float) -> Iterator[Frame]:
    """The frame that is shown at each 1/fps of the shot."""
    last: Frame | None = None
    first, number = 0.0, 0
    for frame in shot:
        if last is None:
            first = frame.time
        while last is not None and first + (number + _EARLY) / fps < frame.time:
            yield last
            number += 1
        last = frame
    if last is not None and first + (number - _EARLY) / fps <= last.time:
        yield last
