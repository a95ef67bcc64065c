"""Reading folders of NumPy and HDF5 files: an episode a file or group, or many one after the other in flat arrays."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wm_gym.data.episode import Episode
from wm_gym.data.formats.action_table import as_numbers, control_range
from wm_gym.data.formats.arrays_files import Arrays, Kind, find_files, one_error, read_arrays
from wm_gym.data.formats.arrays_names import ACTIONS, DONE, IS_FIRST, REWARDS, SEED, TERMINATED, TRUNCATED, find_name
from wm_gym.data.formats.assemble import RawEpisode, assemble
from wm_gym.data.formats.pictures import choose_key, is_picture, to_chunks
from wm_gym.data.formats.source import ImportConfig
from wm_gym.data.manifest import DatasetError, Manifest

MANY_STEPS = 100_000  # of an episode: more is a flat array without flags, which memory may not hold


class ArraysSource:
    """Episodes in files of arrays, in the natural order of the files; one file is open at a time.

    Names are those of Gymnasium, Minari, D4RL, robomimic and Dreamer (`arrays_names`). Pictures are the array that
    looks like pictures. Flat arrays are cut into episodes where a flag tells an end. Where `is_first` is stored, row t
    holds the action that led to observation t, as in Dreamer's files.

    Attributes:
        num_episodes: None, only reading tells.
        notes: what was done to how many episodes.
    """

    def __init__(self, kind: Kind, place: str, config: ImportConfig) -> None:
        """Finds the files.

        Raises:
            DatasetError: there is none.
        """
        self.num_episodes: int | None = None
        self.notes: dict[str, int] = {}
        self._kind, self._place, self._config = kind, place, config
        self._files = find_files(place, kind)

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share."""
        return {"format": self._kind, "source": self._place, **self._config.describe()}

    def manifest(self) -> Manifest:
        """The facts of all episodes; reads the first one's pictures, and all actions where they are numbers."""
        low, high, shape = None, None, None
        for found, rows in self._rows():
            with one_error(found.where):
                if shape is None:
                    shape = to_chunks(self._pictures(found, slice(rows.start, rows.start + 1)), found.where).shape
                    if not self._are_numbers(found):
                        break
                numbers = as_numbers(self._actions(found, rows), found.where)
            low = numbers.min(axis=0) if low is None else np.minimum(low, numbers.min(axis=0))
            high = numbers.max(axis=0) if high is None else np.maximum(high, numbers.max(axis=0))
        if shape is None:
            raise DatasetError(f"{self._place} must hold at least 1 episode, got 0; look at what it holds")
        limits = ((), ()) if low is None or high is None else control_range(low, high)
        name = Path(self._place).stem
        manifest = Manifest(
            env_id="",
            world=name,
            frame_size=(shape[2], shape[3]),
            chunk_frames=shape[1],
            control_low=limits[0],
            control_high=limits[1],
        )
        return self._config.adapt(manifest)

    def episodes(self, start: int) -> Iterator[Episode]:
        """The episodes from index `start` on.

        Raises:
            ValueError: one that is none; names the file.
        """
        for index, (found, rows) in enumerate(self._rows()):
            if index >= start:
                with one_error(found.where):
                    episode = assemble(self._raw(found, rows), self._config, index, self.notes)
                yield episode

    def _rows(self) -> Iterator[tuple[Arrays, slice]]:
        """The arrays of every episode, and its actions' place in them."""
        for file in self._files:
            for found in read_arrays(file):
                with one_error(found.where):
                    slices = list(_episodes_in(found))
                for rows in slices:
                    yield found, rows

    def _are_numbers(self, found: Arrays) -> bool:
        if self._config.action_table is not None:
            return False
        return np.asarray(found.arrays[_name(found, ACTIONS)][:1]).dtype.kind not in "OSU"

    def _actions(self, found: Arrays, rows: slice) -> Any:
        """Texts, indices or numbers."""
        actions = np.asarray(found.arrays[_name(found, ACTIONS)][rows])
        if actions.dtype.kind in "OSU":
            return [text.decode("utf-8") if isinstance(text, bytes) else str(text) for text in actions.ravel()]
        return actions

    def _pictures(self, found: Arrays, rows: slice) -> np.ndarray:
        name = self._config.observation_key
        if name is None:
            names = {each: found.arrays[each] for each in found.arrays}
            pictures = [each for each, rows_of in names.items() if _are_pictures(rows_of)]
            name = choose_key(None, pictures, found.where)
        if name not in found.arrays:
            raise ValueError(f"{found.where}: observation_key must be one of {sorted(found.arrays)}, got {name!r}")
        return np.asarray(found.arrays[name][rows])

    def _raw(self, found: Arrays, rows: slice) -> RawEpisode:
        is_dreamer = find_name(found.arrays, IS_FIRST) is not None
        num_rows = len(found.arrays[_name(found, ACTIONS)])
        is_whole = rows == slice(0, num_rows)
        later = slice(rows.start + 1, rows.stop) if is_dreamer else rows
        stop = None if is_whole else rows.stop  # a whole array may have one more observation
        where = found.where if is_whole else f"{found.where} rows {rows.start} to {rows.stop - 1}"
        seed = _column(found.arrays, SEED, slice(None))
        return RawEpisode(
            where=where,
            chunks=to_chunks(self._pictures(found, slice(rows.start, stop)), where),
            actions=self._actions(found, later),
            seed=int(seed[0]) if seed is not None and len(seed) == 1 else None,
            rewards=_column(found.arrays, REWARDS, later),
            terminated=_column(found.arrays, TERMINATED, later),
            truncated=_column(found.arrays, TRUNCATED, later),
            done=_column(found.arrays, DONE, later),
        )


def _episodes_in(found: Arrays) -> Iterator[slice]:
    """Cuts flat arrays after each flag of an end (before each `is_first`, where that is stored).

    Raises:
        DatasetError: there is no flag in arrays that are too long for one episode.
    """
    num_rows = len(found.arrays[_name(found, ACTIONS)])
    first = _column(found.arrays, IS_FIRST, slice(None))
    if first is not None:
        starts = np.union1d([0], np.flatnonzero(first[:num_rows]))
    else:
        ends = np.zeros(num_rows, dtype=np.bool_)
        for aliases in (TERMINATED, TRUNCATED, DONE):
            column = _column(found.arrays, aliases, slice(None))
            if column is not None and len(column) == num_rows:
                ends |= column.astype(np.bool_)
        starts = np.union1d([0], np.flatnonzero(ends) + 1)
    edges = [int(start) for start in starts if 0 < start < num_rows]
    for start, stop in zip([0, *edges], [*edges, num_rows], strict=True):
        if stop - start > MANY_STEPS:
            rule = f"must tell by flags where episodes end, got {stop - start} steps without one"
            raise DatasetError(f"{found.where} {rule}; store terminated and truncated")
        yield slice(start, stop)


def _name(found: Arrays, aliases: tuple[str, ...]) -> str:
    """The name of an array that must be there."""
    name = find_name(found.arrays, aliases)
    if name is None:
        got = ", ".join(sorted(found.arrays)) or "no array"
        raise DatasetError(f"{found.where} must hold {' or '.join(aliases)}, got {got}; rename the array")
    return name


def _column(arrays: Mapping[str, Any], aliases: tuple[str, ...], rows: slice) -> np.ndarray | None:
    """The rows of one value a step, None where they are not stored."""
    name = find_name(arrays, aliases)
    if name is None:
        return None
    column = np.asarray(arrays[name])
    return column.reshape(-1)[rows]


def _are_pictures(array: Any) -> bool:
    shape, dtype = tuple(getattr(array, "shape", ())), getattr(array, "dtype", None)
    return len(shape) >= 3 and is_picture(shape[1:], dtype)
