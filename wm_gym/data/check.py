"""Checking a dataset: what is in it, and every problem with its file and index, read one episode at a time.

Unlike `Dataset.open`, which refuses a folder at the first fault, this goes on after it and tells them all.
"""

import os
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wm_gym.data.check_contents import Contents, end_of
from wm_gym.data.dataset import Dataset, DatasetError
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import EpisodeEntry, Manifest

MAX_TEXT_LENGTH = 256  # characters of an action that a learned world takes, all printable ASCII


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        file: the path in the dataset's folder.
        message: what must hold, what was got.
        episode: the index of the episode, from 0; None for a problem of the whole dataset.
        step: the first step it concerns, from 0; None for the whole episode.
    """

    file: str
    message: str
    episode: int | None = None
    step: int | None = None

    def __str__(self) -> str:
        where = [self.file]
        where += [] if self.episode is None else [f"episode {self.episode}"]
        where += [] if self.step is None else [f"step {self.step}"]
        return f"{', '.join(where)}: {self.message}"


@dataclass(kw_only=True)
class DatasetReport:
    """What a dataset holds and what is wrong with it.

    Attributes:
        folder: where it lies.
        manifest: its facts; None where they cannot be read.
        contents: counts over the episodes that can be read.
        problems: everything that must be repaired, in the order of the index.
        num_repeated: episodes whose file equals an earlier one's.
    """

    folder: Path
    manifest: Manifest | None = None
    contents: Contents = field(default_factory=Contents)
    problems: list[Problem] = field(default_factory=list)
    num_repeated: int = 0


def find_datasets(folder: str | os.PathLike[str]) -> list[Path]:
    """The datasets in a folder: itself, or those of its subfolders that have a manifest.

    Raises:
        DatasetError: there is none.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DatasetError(f"dataset must be a folder, got {path}, which is none; record one with `wm-gym record`")
    if any((path / name).exists() for name in ("manifest.json", "episodes.jsonl", "episodes")):
        return [path]
    found = sorted(each.parent for each in path.glob("*/manifest.json"))
    if not found:
        raise DatasetError(f"{path} must hold a dataset (manifest.json), got none; record one with `wm-gym record`")
    return found


def check(folder: str | os.PathLike[str], *, progress: bool = False) -> DatasetReport:
    """Reads a whole dataset and tells what it holds and everything that is wrong.

    Args:
        folder: the dataset's folder.
        progress: whether to show a bar.

    Raises:
        DatasetError: `folder` is no folder.
    """
    path = Path(folder)
    if not path.is_dir():
        raise DatasetError(f"dataset must be a folder, got {path}, which is none; record one with `wm-gym record`")
    report = DatasetReport(folder=path)
    report.manifest = _check_manifest(report)
    entries = _check_index(report)
    _check_unlisted(report, [entry for _, entry in entries])
    if report.manifest is None:
        return report
    known = {text for options in report.manifest.action_phrases.values() for text in options}
    seen: set[tuple[int, int]] = set()
    for index, entry in tqdm(entries, disable=not progress, unit="episode", desc="check"):
        try:
            episode = Dataset(path, report.manifest, (entry,))[0]
        except DatasetError as error:
            report.problems.append(_problem_of(error, path, entry.file, index))
            continue
        report.contents.add(episode, entry.num_bytes)
        report.problems.extend(_check_episode(episode, entry.file, index, report.manifest, known))
        report.num_repeated += (entry.crc32, entry.num_bytes) in seen
        seen.add((entry.crc32, entry.num_bytes))
    return report


def _check_manifest(report: DatasetReport) -> Manifest | None:
    path = report.folder / "manifest.json"
    try:
        return Manifest.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"must be readable, got {error.strerror}; its episodes were not read; restore it"
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        message = f"must be a dataset's manifest: {error}; its episodes were not read; restore it"
    report.problems.append(Problem(file=path.name, message=message))
    return None


def _check_index(report: DatasetReport) -> list[tuple[int, EpisodeEntry]]:
    """The entries that can be read, with their indices."""
    path = report.folder / "episodes.jsonl"
    entries = []
    num_lines = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                num_lines += 1
                try:
                    if not line.endswith(b"\n"):
                        raise ValueError("must end with a whole line, got one cut mid-write; record again to resume")
                    entries.append((number, EpisodeEntry.from_json(line.decode("utf-8"))))
                except (ValueError, TypeError, KeyError) as error:
                    message = f"line {number + 1}: {error}"
                    report.problems.append(Problem(file=path.name, episode=number, message=message))
    except OSError as error:
        message = f"must be readable, got {error.strerror}; restore it"
        report.problems.append(Problem(file=path.name, message=message))
        return []
    if num_lines == 0:
        report.problems.append(Problem(file=path.name, message="must list at least 1 episode, got 0; record some"))
    return entries


def _check_unlisted(report: DatasetReport, entries: Sequence[EpisodeEntry]) -> None:
    listed = {entry.file for entry in entries}
    for path in sorted((report.folder / "episodes").glob("*")):
        file = f"episodes/{path.name}"
        if file not in listed:
            message = "must be in episodes.jsonl, got a file that it does not list; restore the index, or delete it"
            report.problems.append(Problem(file=file, message=message))


def _problem_of(error: DatasetError, folder: Path, file: str, index: int) -> Problem:
    """A reader's error, whose text starts with the path."""
    message = str(error).removeprefix(f"{folder / file} ")
    return Problem(file=file, episode=index, message=message)


def _check_episode(episode: Episode, file: str, index: int, manifest: Manifest, known: set[str]) -> Iterator[Problem]:
    """What is wrong inside an episode that reads well."""
    if not np.isfinite(episode.rewards).all():
        step = int(np.flatnonzero(~np.isfinite(episode.rewards))[0])
        message = f"reward must be finite, got {episode.rewards[step]}"
        yield Problem(file=file, episode=index, step=step, message=message)
    if end_of(episode) == "no flag":
        step = episode.num_steps - 1
        message = "the last step must be terminated or truncated, got neither: the episode is over without a flag"
        yield Problem(file=file, episode=index, step=step, message=message)
    for text in dict.fromkeys(episode.actions):
        message = _wrong_with(text, known)
        if message:
            yield Problem(file=file, episode=index, step=episode.actions.index(text), message=message)
    for text in dict.fromkeys(episode.world_events):
        message = _wrong_with(text, set()).replace("action", "world event", 1)
        if message:
            yield Problem(file=file, episode=index, step=episode.world_events.index(text), message=message)
    yield from _check_controls(episode, file, index, manifest)


def _wrong_with(text: str, known: set[str]) -> str:
    """What is wrong with an action text; "" (do nothing) is always known."""
    if len(text) > MAX_TEXT_LENGTH or not set(text) <= set(string.printable):
        rule = f"must be printable ASCII of at most {MAX_TEXT_LENGTH} characters"
        return f"action {rule}, got {text[:80]!r}, which no learned world takes"
    if known and text and text not in known:
        return f"action must be one of the {len(known)} texts of the manifest's action_phrases, got {text[:80]!r}"
    return ""


def _check_controls(episode: Episode, file: str, index: int, manifest: Manifest) -> Iterator[Problem]:
    num_wanted = len(manifest.control_low)
    rows = episode.controls
    num_found = 0 if rows is None else rows.shape[1]
    if num_found != num_wanted:
        message = f"controls must have the {num_wanted} numbers of the manifest's control_low, got {num_found}"
        yield Problem(file=file, episode=index, message=message)
        return
    if rows is None:
        return
    low, high = (np.array(limit, np.float32) for limit in (manifest.control_low, manifest.control_high))
    outside = ((rows < low) | (rows > high)).any(axis=1)  # False for the NaN rows of texts
    if outside.any():
        step = int(outside.argmax())
        message = f"controls must lie in [{low.tolist()}, {high.tolist()}], got {rows[step].tolist()}"
        yield Problem(file=file, episode=index, step=step, message=message)
