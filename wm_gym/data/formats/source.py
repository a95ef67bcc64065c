"""Importing: episodes of another format into a dataset, one at a time, going on where a stopped import was."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from tqdm import tqdm

from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.durable_writes import one_clear_error, write_whole
from wm_gym.data.episode import Episode
from wm_gym.data.formats.action_table import ActionTable
from wm_gym.data.manifest import DatasetError, Manifest

_ORIGIN = "import.json"


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """What all importers take.

    Attributes:
        world: the world's name; None takes the source's.
        frame_size: height and width to resize frames to (loses detail); None keeps them.
        action_table: texts of actions; None keeps texts as they are and numbers as `controls`.
        observation_key: the name of the pictures; None takes the only ones there are.
        last_action: what becomes of an action after which nothing was observed: "drop" it (with its reward and end;
            the episode is then truncated), or "repeat" the last frame after it.
        done_means: what a lone flag "done" means, which tells no termination from a time limit.
    """

    world: str | None = None
    frame_size: tuple[int, int] | None = None
    action_table: ActionTable | None = None
    observation_key: str | None = None
    last_action: Literal["drop", "repeat"] = "drop"
    done_means: Literal["terminated", "truncated"] = "terminated"

    def __post_init__(self) -> None:
        if self.frame_size is not None and min(self.frame_size) < 1:
            raise ValueError(f"frame_size must be at least 1 pixel in height and width, got {self.frame_size}")

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share."""
        table = "" if self.action_table is None else self.action_table.to_json()
        facts = {
            "world": self.world,
            "frame_size": self.frame_size,
            "observation_key": self.observation_key,
            "last_action": self.last_action,
            "done_means": self.done_means,
        }
        return {**{name: json.dumps(value) for name, value in facts.items()}, "action_table": table}

    def adapt(self, manifest: Manifest) -> Manifest:
        """The manifest of a source with the user's name, frame size and texts."""
        if self.action_table is not None:
            manifest = replace(manifest, action_phrases=self.action_table.action_phrases)
        return replace(manifest, world=self.world or manifest.world, frame_size=self.frame_size or manifest.frame_size)


@runtime_checkable
class Source(Protocol):
    """A dataset of another format: its facts, and its episodes in a fixed order.

    Attributes:
        num_episodes: how many there are; None when only reading tells.
        notes: how many episodes something was done to, by a text that says what; grows while episodes are read.
    """

    num_episodes: int | None
    notes: dict[str, int]

    def manifest(self) -> Manifest:
        """The facts that hold for all episodes."""

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share: the place and the options."""

    def episodes(self, start: int) -> Iterator[Episode]:
        """The episodes from index `start` on, read one at a time.

        Raises:
            ValueError: an episode that cannot be read; names the file and the index.
        """


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import did.

    Attributes:
        dataset: the dataset, opened.
        num_new: episodes that this call added.
        notes: what was done to how many of them.
    """

    dataset: Dataset
    num_new: int
    notes: dict[str, int] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The report as lines."""
        total = f"{len(self.dataset)} episodes, {self.dataset.num_steps} steps in {self.dataset.folder}"
        return [f"{total} ({self.num_new} new)", *(f"{count} episodes: {note}" for note, count in self.notes.items())]


def import_episodes(
    source: Source, output: str | os.PathLike[str], *, max_episodes: int | None = None, progress: bool = True
) -> ImportReport:
    """Writes a source's episodes into a dataset; run again after a stop, it goes on where it was.

    Args:
        source: what to read.
        output: the dataset's folder.
        max_episodes: stop when the dataset holds so many; None takes all.
        progress: whether to show a bar.

    Raises:
        ValueError: an episode cannot be read; those before it are kept.
        DatasetError: `output` holds another dataset, or the disk is full; what was imported is kept.
    """
    path = Path(output)
    manifest = source.manifest()
    _claim(path, source.describe())
    num_total = _smallest(source.num_episodes, max_episodes)
    with DatasetWriter.open(path, manifest) as writer:
        num_before = len(writer)
        bar = tqdm(total=num_total, initial=num_before, disable=not progress, unit="episode", desc="import")
        with bar:
            episodes = source.episodes(num_before)
            while max_episodes is None or len(writer) < max_episodes:
                episode = next(episodes, None)
                if episode is None:
                    break
                writer.append(episode)
                bar.update()
        num_after = len(writer)
    if num_after == 0:
        raise DatasetError(f"source must hold at least 1 episode, got 0 for {path}; look at what it holds")
    return ImportReport(dataset=Dataset.open(path), num_new=num_after - num_before, notes=dict(source.notes))


def _smallest(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return min(known) if known else None


def _claim(folder: Path, facts: dict[str, str]) -> None:
    """Notes where a dataset comes from, or checks that an import that was stopped came from there."""
    path = folder / _ORIGIN
    with one_clear_error(folder, 0):
        if path.exists():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except ValueError as error:
                raise DatasetError(f"{path} must be JSON, got {error}; import into a new folder") from error
            names = sorted(found.keys() | facts.keys()) if isinstance(found, dict) else []
            other = [f"{name} is {found.get(name)}, not {facts.get(name)}" for name in names]
            other = [text for name, text in zip(names, other, strict=True) if found.get(name) != facts.get(name)]
            if other or not names:
                rule = f"must be of the import that was stopped, but there {'; '.join(other) or 'is no origin'}"
                raise DatasetError(f"{path} {rule}; repeat the same command or import into a new folder")
        elif (folder / "manifest.json").exists():
            raise DatasetError(f"{folder} must be new or hold this import, got another dataset; name a new folder")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, (json.dumps(facts, indent=2) + "\n").encode("utf-8"))
