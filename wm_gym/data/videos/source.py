"""A folder of videos as a source of episodes: a clip is one, the caption of a chunk is the action that leads to it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from wm_gym.data.episode import Episode
from wm_gym.data.formats.source import ImportConfig
from wm_gym.data.manifest import DatasetError, Manifest
from wm_gym.data.videos.captions import (
    CaptionError,
    Captions,
    load_captioner,
    plain_caption,
    read_captions,
    shortened,
)
from wm_gym.data.videos.clips import Clip, split
from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.flaws import find_flaw
from wm_gym.data.videos.reading import SUFFIXES, Frame, VideoError, VideoFacts, read_facts, read_frames

DROPPED = {
    "short": "shorter than min_chunks",
    "static": "nothing in it changes by static_change",
    "restless": "its frames differ by more than restless_difference on average",
    "trivial": "only the camera moves: trivial_share of the change is a pan or a zoom",
    "silent": "no caption for all of it: add NAME.txt or NAME.json beside the video, or a captioner",
}
SHORTENED = "a caption was shortened to the 256 characters that a world takes"


class VideoSource:
    """The videos of a folder and its subfolders, in the order of their names.

    Rewards are 0, and every clip ends truncated. A file that does not read is skipped from where it fails on.

    Attributes:
        num_episodes: None, only reading tells.
        notes: what was done to how many clips.
        dropped: how many clips were dropped, by flaw.
        problems: one text for each file that did not read.
    """

    def __init__(self, place: str, config: ImportConfig, videos: VideoConfig | None = None) -> None:
        """Looks for videos and reads the first.

        Raises:
            ImportError: `av` is not installed.
            DatasetError: there is no video that reads.
            ValueError: an option that videos do not take, or no such captioner.
        """
        for name in ("action_table", "observation_key"):
            if getattr(config, name) is not None:
                raise ValueError(f"{name} must be left out for videos, whose actions are captions, got one")
        self._folder, self._config, self._videos = Path(place), config, videos or VideoConfig()
        self._captioner = load_captioner(self._videos.captioner) if self._videos.captioner else None
        self._paths = sorted(path for path in self._folder.rglob("*") if path.suffix.lower() in SUFFIXES)
        self.num_episodes: int | None = None
        self.notes: dict[str, int] = {}
        self.dropped: Counter[str] = Counter()
        self.problems: list[str] = []
        self._num_kept = 0
        facts = self._first_facts()
        self._frame_size = config.frame_size or facts.frame_size
        self._fps = self._videos.fps or facts.fps

    def manifest(self) -> Manifest:
        """The facts of all clips."""
        return Manifest(
            env_id="",
            world=self._config.world or self._folder.resolve().name,
            frame_size=self._frame_size,
            chunk_frames=self._videos.chunk_frames,
            render_fps=max(1, round(self._fps)),
        )

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share: the place, the options, the files with their sizes."""
        files = [
            f"{path.relative_to(self._folder)} {path.stat().st_size}"
            for video in self._paths
            for path in (video, video.with_suffix(".json"), video.with_suffix(".txt"))
            if path.exists()
        ]
        return {
            "format": "videos",
            "source": str(self._folder),
            "files": hashlib.sha256("\n".join(files).encode()).hexdigest(),
            "videos": json.dumps(asdict(self._videos), sort_keys=True),
            **self._config.describe(),
        }

    def episodes(self, start: int) -> Iterator[Episode]:
        """The clips from index `start` on; those before are read again, but not captioned again.

        Raises:
            DatasetError: there is no clip to keep; says why.
            ValueError: the captioner returned no text that a world takes.
        """
        self.notes.clear()
        self.dropped.clear()
        self.problems.clear()
        self._num_kept = 0
        for path in self._paths:
            for clip, captions in self._kept(path):
                self._num_kept += 1
                if self._num_kept > start:
                    yield self._episode(path, clip, captions)
        if not self._num_kept:
            raise DatasetError(f"{self._folder} must hold a clip to keep, got none: {'; '.join(self.report()[1:])}")

    def report(self) -> list[str]:
        """What became of the videos, as lines."""
        lines = [f"{self._num_kept} clips kept of {len(self._paths)} videos"]
        lines += [f"{count} clips dropped ({name}): {DROPPED[name]}" for name, count in self.dropped.most_common()]
        return lines + self.problems

    def _first_facts(self) -> VideoFacts:
        problems = []
        for path in self._paths:
            try:
                return read_facts(path)
            except VideoError as error:
                problems.append(str(error))
        got = "; ".join(problems) or f"no file that ends in {', '.join(sorted(SUFFIXES))}"
        raise DatasetError(f"{self._folder} must be a folder with videos, got {got}")

    def _kept(self, path: Path) -> Iterator[tuple[Clip, Captions]]:
        """The clips of a video without a flaw, and its captions."""
        try:
            captions = read_captions(path)
        except CaptionError as error:
            self.problems.append(str(error))
            return
        for clip in split(self._frames(path), self._fps, self._videos):
            reason = self._reason_to_drop(clip, captions)
            if reason is None:
                yield clip, captions
            else:
                self.dropped[reason] += 1

    def _frames(self, path: Path) -> Iterator[Frame]:
        """The frames of a video up to where it does not read."""
        try:
            yield from read_frames(path, self._frame_size)
        except VideoError as error:
            self.problems.append(str(error))

    def _reason_to_drop(self, clip: Clip, captions: Captions) -> str | None:
        if len(clip.pictures) < self._videos.min_chunks * self._videos.chunk_frames:
            return "short"
        flaw = find_flaw(clip.thumbnails, self._videos)
        if flaw is not None:
            return flaw
        is_silent = self._captioner is None and None in self._own_captions(clip, captions)
        return "silent" if is_silent else None

    def _own_captions(self, clip: Clip, captions: Captions) -> list[str | None]:
        """The file's caption of each chunk but the first."""
        seconds = self._videos.chunk_frames / self._fps
        starts = [clip.start + number * seconds for number in range(1, self._num_chunks(clip))]
        return [captions.between(start, start + seconds) for start in starts]

    def _num_chunks(self, clip: Clip) -> int:
        return len(clip.pictures) // self._videos.chunk_frames

    def _episode(self, path: Path, clip: Clip, captions: Captions) -> Episode:
        num_steps = self._num_chunks(clip) - 1
        own = [text or "" for text in self._own_captions(clip, captions)]
        texts = [self._written(path, clip, number, text) for number, text in enumerate(own)]
        short = [shortened(text) for text in texts]
        if short != texts:
            self.notes[SHORTENED] = self.notes.get(SHORTENED, 0) + 1
        truncated = np.zeros(num_steps, np.bool_)
        truncated[-1] = True
        return Episode(
            observations=clip.pictures.reshape(num_steps + 1, -1, *clip.pictures.shape[1:]),
            actions=tuple(short),
            rewards=np.zeros(num_steps, np.float32),
            terminated=np.zeros(num_steps, np.bool_),
            truncated=truncated,
            info={"file": str(path.relative_to(self._folder)), "start_seconds": f"{clip.start:.3f}"},
        )

    def _written(self, path: Path, clip: Clip, step: int, own: str) -> str:
        """The captioner's text for a step, or the file's own without one."""
        if self._captioner is None:
            return own
        first = (step + 1) * self._videos.chunk_frames
        frames = clip.pictures[first - 1 : first + self._videos.chunk_frames]
        text = self._captioner(frames, float(self._fps), own)
        try:
            return plain_caption(text)
        except ValueError as error:
            where = f"{path} at {clip.start + first / self._fps:.2f} s"
            raise ValueError(
                f"captioner must return a text for {where}, got {text!r} ({error}); what was imported is kept, repair "
                "it and run the same command again"
            ) from error
