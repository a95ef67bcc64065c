"""How a folder of videos becomes clips with captions."""

import math
from dataclasses import dataclass
from typing import Literal

Flaw = Literal["static", "restless", "trivial"]


@dataclass(frozen=True, kw_only=True)
class VideoConfig:
    """How to cut, sift and caption videos.

    Differences are means over an 8-bit picture of 64x64 pixels and its colours, in [0, 255].

    Attributes:
        chunk_frames: frames an observation; a caption is the action that leads to one.
        fps: frames a second; by default the first video's. Others are resampled, frames repeated or left out.
        min_chunks: shorter clips are dropped; at least 2, the start and one more.
        max_chunks: longer shots become several clips, each beginning with the last chunk of the one before.
        captioner: "module:function" that writes the caption of each chunk anew; by default the files' own stay. It gets
            the last frame before the chunk and the chunk's (time, height, width, 3) as uint8, the frames a second, and
            the file's own caption ("" without one), and returns a text.
        cut_difference: least difference between the two frames of a cut.
        cut_ratio: how many times the differences around it a cut's must be.
        static_change: a clip is static where no pixel changes by so much from its darkest to its brightest.
        restless_difference: a clip is restless where frames differ by so much on average.
        trivial_share: a clip is trivial where a pan and zoom of the whole picture explains this share of the change.
        keep: flaws with which clips are kept all the same.
    """

    chunk_frames: int = 8
    fps: float | None = None
    min_chunks: int = 2
    max_chunks: int = 64
    captioner: str | None = None
    cut_difference: float = 10.0
    cut_ratio: float = 3.0
    static_change: float = 12.0
    restless_difference: float = 40.0
    trivial_share: float = 0.9
    keep: tuple[Flaw, ...] = ()

    def __post_init__(self) -> None:
        for name, least in (("chunk_frames", 1), ("min_chunks", 2), ("max_chunks", self.min_chunks)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("cut_difference", "cut_ratio", "static_change", "restless_difference", "trivial_share"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be at least 0 and finite, got {getattr(self, name)}")
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ValueError(f"fps must be positive and finite, got {self.fps}")
