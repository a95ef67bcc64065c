"""Films of play: every picture goes to disk as it is shown, as GIF or MP4."""

import importlib
import itertools
import time
from pathlib import Path
from typing import Any, Protocol

import imageio.v2 as imageio
import numpy as np
from jaxtyping import UInt8

from wm_gym.play.gif import GifWriter

Picture = UInt8[np.ndarray, "height width 3"]

SUFFIXES = (".gif", ".mp4")


class _Writer(Protocol):
    def add(self, picture: Picture) -> None: ...

    def close(self) -> None: ...


class Film:
    """A growing film.

    Attributes:
        path: its file.

    Args:
        path: ends in .gif or .mp4. The folder is made.
        frames_per_second: the pace.

    Raises:
        ValueError: another suffix, or an MP4 without the library that writes them.
        OSError: the file cannot be written.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        if path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"a film must end in {' or '.join(SUFFIXES)}, got {path}")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        kind = GifWriter if path.suffix.lower() == ".gif" else Mp4Writer
        self._writer: _Writer = kind(path, frames_per_second)

    def add(self, picture: Picture) -> None:
        """Film a picture; all must have one size.

        Raises:
            OSError: the disk is full.
        """
        self._writer.add(picture)

    def close(self) -> None:
        """Finish the file; twice is fine.

        Raises:
            OSError: not all of it is on the disk.
        """
        self._writer.close()


class Mp4Writer:
    """H.264 through imageio's ffmpeg plugin; sides are padded to even numbers, which the codec wants.

    The file is written in fragments: one that is cut plays as far as it goes.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        existed = path.exists()
        path.open("ab").close()  # a folder that cannot be written shall say so itself
        self._path = path
        self._num_added = 0
        try:
            self._writer: Any = imageio.get_writer(
                path,
                format="FFMPEG",
                mode="I",
                fps=frames_per_second,
                macro_block_size=2,
                output_params=["-movflags", "+frag_keyframe+empty_moov+default_base_moof"],
            )
        except (ImportError, ValueError, RuntimeError) as error:
            if not existed:
                path.unlink()
            rule = "an MP4 needs imageio's ffmpeg plugin"
            raise ValueError(f'{rule}, got none; run: pip install "imageio[ffmpeg]", or film a .gif') from error

    def add(self, picture: Picture) -> None:
        """Write the next picture."""
        height, width, _ = picture.shape
        self._writer.append_data(np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0))))
        self._num_added += 1

    def close(self) -> None:
        """Finish the file; twice is fine.

        Raises:
            OSError: pictures are missing from it: ffmpeg does not tell when the disk is full.
        """
        self._writer.close()
        added, self._num_added = self._num_added, 0
        if added and (found := _count_pictures(self._path)) < added:
            rule = "a film must have room on its disk"
            raise OSError(f"{rule}, got {found} of {added} pictures into {self._path}; make room and film again")


def _count_pictures(path: Path) -> int:
    """Pictures of an MP4, 0 where it cannot be read."""
    ffmpeg = importlib.import_module("imageio_ffmpeg")
    try:
        return int(ffmpeg.count_frames_and_secs(str(path))[0])
    except RuntimeError:
        return 0


def new_film_path(folder: Path) -> Path:
    """A name for a film of now, which no file has."""
    return unused(folder / f"play-{time.strftime('%Y%m%d-%H%M%S')}.gif")


def unused(path: Path) -> Path:
    """The path, or where there is a file already, `stem-2`, `stem-3`, ..."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(each for each in itertools.chain([path], names) if not each.exists())
