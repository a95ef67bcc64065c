"""Cuts: where a frame differs from the one before far more than the frames around them do from each other.

This is the rule of PySceneDetect's AdaptiveDetector (which needs OpenCV), on colours in place of HSV: fast motion
raises the differences around it too, a cut stands alone. A cut after which the picture of before comes back two
frames later is a flash, and no cut. Fades and dissolves are not found, but frames of one colour end a shot.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, product

import numpy as np
from jaxtyping import UInt8

from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.reading import Frame

_AROUND = 2  # differences on each side of a cut that it is compared with, as in AdaptiveDetector
_PLAIN = 2.0  # largest standard deviation of a colour in a picture of one colour

Thumbnail = UInt8[np.ndarray, "side side 3"]


def with_cuts(frames: Iterable[Frame], config: VideoConfig) -> Iterator[tuple[Frame, bool]]:
    """Gives every frame, and whether a shot begins with it; the first frame begins none that a cut ended."""
    recent: deque[Frame | None] = deque([None] * (2 * _AROUND + 2), maxlen=2 * _AROUND + 2)
    for frame in chain(frames, [None] * _AROUND):
        recent.append(frame)
        now = recent[_AROUND + 1]
        if now is not None:
            yield now, _is_cut([each.thumbnail for each in recent if each is not None], now.thumbnail, config)


def is_plain(thumbnail: Thumbnail) -> bool:
    """Whether a picture is of one colour."""
    return bool(thumbnail.std(axis=(0, 1)).max() < _PLAIN)


def difference(one: Thumbnail, other: Thumbnail) -> float:
    """The mean difference of two pictures, in [0, 255]."""
    return float(np.abs(one.astype(np.int16) - other).mean())


def _is_cut(recent: list[Thumbnail], now: Thumbnail, config: VideoConfig) -> bool:
    place = next(index for index, each in enumerate(recent) if each is now)
    if place == 0:
        return False
    steps = [difference(*pair) for pair in pairwise(recent)]
    step, around = steps[place - 1], steps[: place - 1] + steps[place:]
    if step < config.cut_difference or (around and step < config.cut_ratio * float(np.mean(around))):
        return False
    before, after = recent[max(0, place - 2) : place], recent[place : place + 2]
    return min(difference(*pair) for pair in product(before, after)) >= config.cut_difference
