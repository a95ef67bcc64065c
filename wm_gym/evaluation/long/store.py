"""Keeps what a long evaluation has found so far, so that a stopped run goes on and nothing is measured twice."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wm_gym.data.durable_writes import write_whole

FORMAT = "wm_gym long 1"


class ReportStore:
    """A folder with `report.json` and, under `frames/`, the pictures of each part.

    Attributes:
        folder: Where.
        report: All that is known, as JSON values.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        """Opens a folder, or makes it.

        Args:
            folder: Where.
            facts: What makes a run this very run: checkpoint, weights, config.

        Raises:
            ValueError: The folder holds another run.
            OSError: It cannot be made.
        """
        self.folder = folder
        (folder / "frames").mkdir(parents=True, exist_ok=True)
        self.report: dict[str, Any] = {"format": FORMAT, "run": _plain(facts), "worlds": {}, "done": {}, "missing": {}}
        if self.path.is_file():
            self.report = self._read()

    @property
    def path(self) -> Path:
        """The numbers."""
        return self.folder / "report.json"

    def is_done(self, world: str, part: str) -> bool:
        """Whether a part was measured to its end."""
        return part in self.report["done"].get(world, [])

    def keep(self, world: str, part: str, data: Mapping[str, Any], pictures: Mapping[str, np.ndarray]) -> None:
        """Writes what is known of a part, finished or not."""
        self.report["worlds"].setdefault(world, {})[part] = _plain(data)
        if pictures:
            np.savez_compressed(self._frames(world, part), **dict(pictures))  # type: ignore[arg-type]
        self.save()

    def finish(self, world: str, part: str) -> None:
        """Notes that a part is measured."""
        self.report["done"].setdefault(world, []).append(part)
        self.save()

    def pictures(self, world: str, part: str) -> dict[str, np.ndarray]:
        """The pictures of a part; none where there are none."""
        path = self._frames(world, part)
        if not path.is_file():
            return {}
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def save(self) -> None:
        """Writes the numbers, whole or not at all."""
        write_whole(self.path, (json.dumps(self.report, indent=1, allow_nan=False) + "\n").encode())

    def _frames(self, world: str, part: str) -> Path:
        return self.folder / "frames" / f"{world}-{part}.npz"

    def _read(self) -> dict[str, Any]:
        rule = "output must be a new folder or hold a report of this very run"
        try:
            found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{rule}, got {self.path}, which cannot be read ({error}); delete it") from error
        differing = [name for name, value in self.report["run"].items() if found.get("run", {}).get(name) != value]
        if found.get("format") != FORMAT or differing:
            raise ValueError(
                f"{rule}, got one with another {', '.join(differing) or 'format'} in {self.folder}; "
                "delete it or name another folder"
            )
        return found


def _plain(value: Any) -> Any:
    """JSON values: arrays as lists, NaN and infinity as None, paths and tuples as text and lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value
