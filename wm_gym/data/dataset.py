"""A dataset on disk: `manifest.json`, `episodes.jsonl` (an index that only grows) and `episodes/000000.npz`, ...

An episode's file is written whole (temporary file, fsync, rename) before its index line is appended, so a kill at any
moment leaves at most one file that the index does not know. Reading needs the index and all its files whole.
"""

import hashlib
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO

from wm_gym.data.durable_writes import one_clear_error, write_all, write_whole
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import DatasetError, EpisodeEntry, Manifest

try:
    import fcntl
except ImportError:  # not on Windows: there, nothing stops two writers
    fcntl = None  # type: ignore[assignment]

__all__ = ["Dataset", "DatasetError", "DatasetSummary", "DatasetWriter"]

_MANIFEST, _INDEX, _EPISODES = "manifest.json", "episodes.jsonl", "episodes"
_RESUME = "run the same recording again to resume it, or record into a new folder"


@dataclass(frozen=True, kw_only=True)
class DatasetSummary:
    """Counts over a dataset.

    Attributes:
        num_episodes: episodes.
        num_steps: steps in all.
        num_terminated: episodes whose last step terminated.
        num_truncated: episodes whose last step was truncated.
        num_events: steps with an unusual reward or a termination.
        action_counts: how often each text was the action, most frequent first.
        num_bytes: size of the episodes on disk.
    """

    num_episodes: int
    num_steps: int
    num_terminated: int
    num_truncated: int
    num_events: int
    action_counts: dict[str, int]
    num_bytes: int


class Dataset:
    """Recorded episodes, read one at a time: `len(dataset)`, `dataset[i]`.

    Attributes:
        folder: where it lies.
        manifest: the facts of all episodes.
        entries: the index, one entry an episode.
    """

    def __init__(self, folder: Path, manifest: Manifest, entries: tuple[EpisodeEntry, ...]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.entries = entries

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> "Dataset":
        """Opens a folder that `record` or a `DatasetWriter` wrote; checks that every file is there at its full size.

        Raises:
            DatasetError: when it is missing, empty or cut.
        """
        path = Path(folder)
        if not path.is_dir():
            raise DatasetError(f"dataset must be a folder, got {path}, which is none; record one with `wm-gym record`")
        manifest = _read_manifest(path)
        entries, num_torn_bytes = _read_index(path)
        if num_torn_bytes:
            raise DatasetError(f"{path / _INDEX} must end with a whole line, got a line cut mid-write; {_RESUME}")
        if not entries:
            raise DatasetError(f"{path / _INDEX} must list at least 1 episode, got 0; {_RESUME}")
        _check_files(path, entries)
        return cls(path, manifest, tuple(entries))

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Episode:
        """Reads an episode from disk.

        Raises:
            IndexError: outside `[-len, len)`.
            DatasetError: when its file is missing or corrupt.
        """
        entry = self.entries[index]
        path = self.folder / entry.file
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DatasetError(f"{path} must be readable, got {error.strerror}; restore it or record again") from error
        if len(data) != entry.num_bytes or zlib.crc32(data) != entry.crc32:
            rule = f"{entry.num_bytes} bytes with checksum {entry.crc32:08x}"
            got = f"{len(data)} bytes with {zlib.crc32(data):08x}"
            raise DatasetError(f"{path} must be {rule}, got {got}: it is corrupt; restore it or record again")
        try:
            episode = Episode.from_bytes(data)
        except ValueError as error:
            raise DatasetError(f"{path} must hold an episode: {error}; restore it or record again") from error
        self._check_described(episode, entry)
        return episode

    def _check_described(self, episode: Episode, entry: EpisodeEntry) -> None:
        """Refuses an index or a manifest that was edited: the checksum covers the episode alone."""
        found = EpisodeEntry.of(episode, file=entry.file, num_bytes=entry.num_bytes, crc32=entry.crc32)
        if replace(found, total_reward=entry.total_reward) != entry:  # a sum that may be NaN, which equals nothing
            raise DatasetError(
                f"{self.folder / _INDEX} must describe {entry.file} as it is; restore it or record again"
            )
        shape = (self.manifest.chunk_frames, *self.manifest.frame_size, 3)
        if episode.observations.shape[1:] != shape:
            raise DatasetError(
                f"{self.folder / _MANIFEST} must have the frames of {entry.file}, {episode.observations.shape[1:]}, "
                f"got {shape}; restore it or record again"
            )

    def __iter__(self) -> Iterator[Episode]:
        return (self[index] for index in range(len(self)))

    @property
    def num_steps(self) -> int:
        """Steps in all episodes."""
        return sum(entry.num_steps for entry in self.entries)

    @cached_property
    def action_texts(self) -> tuple[str, ...]:
        """The distinct action texts, sorted; a `SegmentBatch` holds indices into them."""
        return tuple(sorted({text for entry in self.entries for text in entry.action_counts}))

    @cached_property
    def event_texts(self) -> tuple[str, ...]:
        """The distinct texts of world events, sorted, after "" for nothing; `SegmentBatch` holds indices into them."""
        return tuple(sorted({"", *(text for entry in self.entries for text in entry.world_event_counts)}))

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the manifest and of every episode's checksum: equal for equal data."""
        parts = [self.manifest.to_json(), *(f"{entry.file} {entry.crc32:08x}" for entry in self.entries)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def summary(self) -> DatasetSummary:
        """Counts episodes, steps, ends and actions from the index, without decoding an episode."""
        counts: Counter[str] = Counter()
        for entry in self.entries:
            counts.update(entry.action_counts)
        return DatasetSummary(
            num_episodes=len(self),
            num_steps=self.num_steps,
            num_terminated=sum(entry.terminated for entry in self.entries),
            num_truncated=sum(entry.truncated for entry in self.entries),
            num_events=sum(len(entry.event_steps) for entry in self.entries),
            action_counts=dict(counts.most_common()),
            num_bytes=sum(entry.num_bytes for entry in self.entries),
        )


class DatasetWriter:
    """Appends episodes to a dataset; a context manager. Make one with `open`."""

    def __init__(self, folder: Path, manifest: Manifest, entries: list[EpisodeEntry], index: IO[bytes]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.entries = entries
        self._index = index

    @classmethod
    def open(cls, folder: str | os.PathLike[str], manifest: Manifest) -> "DatasetWriter":
        """Starts a dataset, or resumes one: what a killed writer left half-written is dropped, all else is kept.

        Raises:
            DatasetError: when the folder holds a dataset with another manifest, a corrupt one, one that is being
                written now, or cannot be written.
        """
        path = Path(folder)
        with one_clear_error(path, 0):
            (path / _EPISODES).mkdir(parents=True, exist_ok=True)
            if (path / _MANIFEST).exists():
                manifest = _same_manifest(path, manifest)
            elif any((path / _EPISODES).glob("*.npz")):
                raise DatasetError(f"{path / _MANIFEST} must exist beside episodes; restore it or use a new folder")
            else:
                write_whole(path / _MANIFEST, manifest.to_json().encode("utf-8"))
            index = (path / _INDEX).open("ab")
            try:
                return cls(path, manifest, _repair(path, index), index)
            except BaseException:
                index.close()
                raise

    def __len__(self) -> int:
        return len(self.entries)

    def append(self, episode: Episode) -> None:
        """Writes an episode; when this returns, it survives a kill and a power cut.

        Raises:
            ValueError: when its frames are not those of the manifest.
            DatasetError: when the disk is full or refuses; the dataset is as it was before.
        """
        shape = (self.manifest.chunk_frames, *self.manifest.frame_size, 3)
        if episode.observations.shape[1:] != shape:
            raise ValueError(f"observations must have shape (steps + 1, {shape}), got {episode.observations.shape}")
        file = f"{_EPISODES}/{len(self.entries):06d}.npz"
        data = episode.to_bytes()
        entry = EpisodeEntry.of(episode, file=file, num_bytes=len(data), crc32=zlib.crc32(data))
        with one_clear_error(self.folder, len(self.entries)):
            write_whole(self.folder / file, data)
            self._append_line(entry.to_json().encode("utf-8"))
        self.entries.append(entry)

    def _append_line(self, line: bytes) -> None:
        size = os.fstat(self._index.fileno()).st_size
        try:
            write_all(self._index.fileno(), line)
        except OSError:
            os.ftruncate(self._index.fileno(), size)
            raise

    def close(self) -> None:
        """Ends the writing; twice is fine."""
        self._index.close()

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read_manifest(folder: Path) -> Manifest:
    path = folder / _MANIFEST
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DatasetError(f"{path} must exist, got no file; name a dataset's folder or record one") from error
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise DatasetError(f"{path} must be a dataset's manifest: {error}; restore it or record again") from error


def _same_manifest(folder: Path, wanted: Manifest) -> Manifest:
    found = _read_manifest(folder)
    differences = "; ".join(found.differences(wanted))
    if differences:
        next_step = "resume with the same arguments or record into a new folder"
        raise DatasetError(f"{folder / _MANIFEST} must fit the recording, but there {differences}; {next_step}")
    return found


def _read_index(folder: Path) -> tuple[list[EpisodeEntry], int]:
    """Returns the entries and the number of bytes of a last line that was cut."""
    path = folder / _INDEX
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise DatasetError(f"{path} must be readable, got {error.strerror}; restore it or record again") from error
    whole, _, torn = data.rpartition(b"\n")
    entries = []
    for number, line in enumerate(whole.splitlines()):
        try:
            entries.append(EpisodeEntry.from_json(line.decode("utf-8")))
        except ValueError as error:
            raise DatasetError(f"{path} line {number + 1}: {error}; restore it or record again") from error
    return entries, len(torn)


def _check_files(folder: Path, entries: list[EpisodeEntry]) -> None:
    for entry in entries:
        path = folder / entry.file
        num_bytes = path.stat().st_size if path.exists() else None
        if num_bytes != entry.num_bytes:
            got = "no file" if num_bytes is None else f"{num_bytes} bytes: it was cut"
            raise DatasetError(f"{path} must be {entry.num_bytes} bytes, got {got}; restore it or record again")
    _unlisted(folder, entries)


def _unlisted(folder: Path, entries: list[EpisodeEntry]) -> list[Path]:
    """Returns the episode that a killed writer could not list; more than that one means that the index lost lines."""
    listed = {entry.file for entry in entries}
    found = sorted(path for path in (folder / _EPISODES).glob("*.npz") if f"{_EPISODES}/{path.name}" not in listed)
    if [path.name for path in found] not in ([], [f"{len(entries):06d}.npz"]):
        rule = f"must list every episode, got {len(entries)} lines without {found[-1].name}"
        raise DatasetError(f"{folder / _INDEX} {rule}: it lost lines; restore it or record into a new folder")
    return found


def _repair(folder: Path, index: IO[bytes]) -> list[EpisodeEntry]:
    """Locks the index, drops what a killed writer left half-written, returns the whole entries."""
    if fcntl is not None:
        try:
            fcntl.flock(index, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            rule = "must have one writer at a time, got a second"
            raise DatasetError(f"{folder} {rule}; wait for the other recording or use a new folder") from error
    entries, num_torn_bytes = _read_index(folder)
    _check_files(folder, entries)
    os.ftruncate(index.fileno(), os.fstat(index.fileno()).st_size - num_torn_bytes)
    for path in [*_unlisted(folder, entries), *(folder / _EPISODES).glob("*.tmp")]:
        path.unlink()
    return entries
