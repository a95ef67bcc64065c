"""Where the starts of an env come from: its checkpoint, a recording, or whatever else has some."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from wm_gym.data.dataset import Dataset
from wm_gym.start import StartRules, check_frames

Clip = UInt8[np.ndarray, "time height width 3"]


@runtime_checkable
class Starts(Protocol):
    """Images, chunks or clips by number; their count may change between two resets, as a curriculum's does.

    Envs in other processes, or made from a `spec`, have copies.
    """

    def __len__(self) -> int:
        """How many there are now."""
        ...

    def __getitem__(self, index: int, /) -> Any:
        """One of them, uint8; see `check_frames`."""
        ...


class RecordedStarts:
    """Every observation of a recording that is not its episode's last, with the frames before it.

    Args:
        dataset: the recording; an episode is read anew for each start.
        most_frames: of a clip.

    Raises:
        IndexError: on reading a number that there is not.
        DatasetError: on reading an episode whose file is missing or corrupt.
    """

    def __init__(self, dataset: Dataset, most_frames: int) -> None:
        self._dataset = dataset
        self._most_frames = most_frames
        self._ends = np.cumsum([entry.num_steps for entry in dataset.entries])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> Clip:
        if not 0 <= index < len(self):
            raise IndexError(f"index must be from 0 to {len(self) - 1}, got {index}")
        number = int(np.searchsorted(self._ends, index, side="right"))
        before = int(self._ends[number - 1]) if number else 0
        observations = self._dataset[number].observations[: index - before + 1]
        return observations.reshape(-1, *observations.shape[2:])[-self._most_frames :]


def open_starts(given: Starts | str | os.PathLike[str] | None, own: Starts, world: str, rules: StartRules) -> Starts:
    """The starts that an env draws from.

    Args:
        given: the folder of a recording of the world, an array (starts, [time,] height, width, 3), anything else that
            is `Starts`, or None for the checkpoint's own.
        own: those of the checkpoint.
        world: its name.
        rules: what a start must fit.

    Raises:
        ValueError: there is none, the recording is of another world, or the first does not fit.
    """
    if given is None:
        return own
    found: Starts
    if isinstance(given, str | os.PathLike):
        dataset = Dataset.open(Path(given))
        if dataset.manifest.world != world:
            raise ValueError(f"starts must be a recording of {world!r}, got one of {dataset.manifest.world!r}: {given}")
        found = RecordedStarts(dataset, rules.most_frames)
    elif isinstance(given, Starts) and not isinstance(given, Mapping) and getattr(given, "shape", None) != ():
        found = given
    else:
        raise ValueError(f"starts must be a recording's folder or a sequence of images, got {type(given).__name__}")
    if not len(found):
        raise ValueError("starts must be at least one, got none; leave them out for the checkpoint's own")
    check_start(found, 0, rules)
    return found


def check_start(starts: Starts, index: int, rules: StartRules) -> Clip:
    """One of the starts.

    Raises:
        ValueError: it does not fit.
    """
    try:
        return check_frames(starts[index], rules)
    except ValueError as error:
        raise ValueError(f"starts[{index}]: {error}") from error
