"""Reading LeRobot v3.0 datasets (parquet and mp4) with pyarrow and av, without lerobot."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from wm_gym.data.episode import Episode
from wm_gym.data.formats import lerobot_layout as layout
from wm_gym.data.formats.action_table import control_range
from wm_gym.data.formats.assemble import RawEpisode, assemble
from wm_gym.data.formats.lerobot_video import read_frames
from wm_gym.data.formats.optional import require
from wm_gym.data.formats.pictures import Chunks, choose_key, to_chunks
from wm_gym.data.formats.source import ImportConfig
from wm_gym.data.manifest import DatasetError, Manifest


class LeRobotSource:
    """A LeRobot dataset's folder, its episodes in the order of `meta/episodes`.

    LeRobot's last action leads to nothing that was observed; `ImportConfig.last_action` tells what becomes of it. A
    dataset of our own export comes back as it was.

    Attributes:
        num_episodes: how many there are.
        notes: what was done to how many of them.
    """

    def __init__(self, place: str, config: ImportConfig) -> None:
        """Opens it.

        Raises:
            ImportError: `pyarrow` or `av` is not installed.
            DatasetError: it is none of v3.
            ValueError: it has no pictures, or several and none was chosen.
        """
        self._parquet = require("pyarrow.parquet", "lerobot")
        require("av", "lerobot")
        self._folder, self._config = Path(place), config
        self._info = layout.read_info(self._folder)
        self.num_episodes: int | None = int(self._info["total_episodes"])
        self.notes: dict[str, int] = {}
        ours = self._folder / layout.OURS
        self._ours = Manifest.from_json(ours.read_text(encoding="utf-8")) if ours.exists() else None
        self._keys = self._camera_keys()
        self._open_data: tuple[Path, Any] | None = None  # the data file of the last episode, without its pictures

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share."""
        return {"format": "lerobot", "source": str(self._folder), **self._config.describe()}

    def manifest(self) -> Manifest:
        """The facts of all episodes; those that our own export stored, where it wrote the dataset."""
        if self._ours is not None:
            return self._config.adapt(self._ours)
        place = next(self._places(), None)
        if place is None:
            raise DatasetError(f"{self._folder} must hold at least 1 episode, got 0; choose another dataset")
        shape = self._chunks(place, 1).shape
        low, high = ((), ()) if self._config.action_table is not None else self._control_range()
        manifest = Manifest(
            env_id="",
            world=self._folder.name,
            frame_size=(shape[2], shape[3]),
            chunk_frames=1,
            control_low=low,
            control_high=high,
            render_fps=round(float(self._info["fps"])),
            policy=str(self._info.get("robot_type") or ""),
        )
        return self._config.adapt(manifest)

    def episodes(self, start: int) -> Iterator[Episode]:
        """The episodes from index `start` on.

        Raises:
            ValueError: one that cannot be read; names the file and the index.
        """
        for index, place in enumerate(self._places()):
            if index >= start:
                yield assemble(self._raw(place), self._config, index, self.notes)

    def _places(self) -> Iterator[dict[str, Any]]:
        """The rows of `meta/episodes`, without their statistics."""
        for path in sorted((self._folder / "meta" / "episodes").glob("*/*.parquet")):
            try:
                file = self._parquet.ParquetFile(path)
                names = [name for name in file.schema_arrow.names if not name.startswith("stats/")]
                for batch in file.iter_batches(batch_size=64, columns=names):
                    yield from batch.to_pylist()
            except (OSError, ValueError) as error:
                raise DatasetError(f"{path} must be readable, got {error}; get it again") from error

    def _camera_keys(self) -> list[str]:
        features = self._info["features"]
        if self._ours is not None:
            return layout.video_keys(self._ours.chunk_frames)
        found = [name for name, feature in features.items() if feature["dtype"] in ("video", "image")]
        key = choose_key(self._config.observation_key, found, str(self._folder))
        if key not in found:
            raise ValueError(f"observation_key must be one of {found} in {self._folder}, got {key!r}; choose one")
        return [key]

    def _raw(self, place: dict[str, Any]) -> RawEpisode:
        where = f"{self._folder} episode {place['episode_index']}"
        rows = self._rows(place, where)
        names = set(rows.column_names)
        columns = {
            name: np.asarray(rows[key].to_pylist()) if key in names else None
            for name, key in (
                ("rewards", "next.reward"),
                ("terminated", "next.terminated"),
                ("truncated", "next.truncated"),
                ("done", "next.done"),
            )
        }
        if "action" not in names:
            raise DatasetError(f"{where} must have actions, got {sorted(names)}; choose another dataset")
        actions: Any = np.asarray(rows["action"].to_pylist())
        controls: np.ndarray | None = None
        facts: dict[str, Any] = {"seed": None, "info": {"task": "; ".join(place.get("tasks") or [])}}
        if self._ours is not None:
            facts = json.loads(place["wm_gym_facts"])
            num_steps = len(actions) - 1
            columns = {name: None if column is None else column[:num_steps] for name, column in columns.items()}
            if self._ours.control_low:
                controls = actions[:num_steps].reshape(num_steps, -1).astype(np.float32)
            actions = rows[layout.TEXT].to_pylist()[:num_steps]
        return RawEpisode(
            where=where,
            chunks=self._chunks(place, rows.num_rows),
            actions=actions,
            rewards=columns["rewards"],
            terminated=columns["terminated"],
            truncated=columns["truncated"],
            done=columns["done"],
            controls=controls,
            world_events=tuple(facts.get("world_events", ())),
            seed=facts["seed"],
            info=facts["info"],
        )

    def _rows(self, place: dict[str, Any], where: str) -> Any:
        """An episode's rows, without pictures."""
        path = self._path("data_path", place, "data")
        if self._open_data is None or self._open_data[0] != path:
            names = [name for name, feature in self._info["features"].items() if feature["dtype"] not in _PICTURES]
            try:
                found = set(self._parquet.read_schema(path).names)
                self._open_data = (
                    path,
                    self._parquet.read_table(path, columns=[name for name in names if name in found]),
                )
            except (OSError, ValueError) as error:
                raise DatasetError(f"{path} must be readable, got {error}; get it again") from error
        table = self._open_data[1]
        indices = np.flatnonzero(np.asarray(table["episode_index"]) == place["episode_index"])
        if len(indices) != place["length"]:
            raise DatasetError(f"{path} must hold {place['length']} rows of {where}, got {len(indices)}; get it again")
        return table.take(indices)

    def _chunks(self, place: dict[str, Any], num_frames: int) -> Chunks:
        where = f"{self._folder} episode {place['episode_index']}"
        cameras = [self._frames(key, place, num_frames, where) for key in self._keys]
        return to_chunks(np.stack(cameras, axis=1), where)

    def _frames(self, key: str, place: dict[str, Any], num_frames: int, where: str) -> np.ndarray:
        """One camera's first frames of an episode."""
        if self._info["features"][key]["dtype"] == "video":
            path = self._path("video_path", place, f"videos/{key}", video_key=key)
            return read_frames(path, float(place[f"videos/{key}/from_timestamp"]), num_frames, float(self._info["fps"]))
        path = self._path("data_path", place, "data")
        wanted = [("episode_index", "=", place["episode_index"])]
        cells = self._parquet.read_table(path, columns=[key], filters=wanted)[key].slice(0, num_frames).to_pylist()
        try:
            return np.stack([np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")) for cell in cells])
        except (OSError, TypeError, KeyError, ValueError) as error:
            raise DatasetError(f"{path} must hold the pictures {key} of {where}, got {error}; get it again") from error

    def _path(self, pattern: str, place: dict[str, Any], prefix: str, **names: str) -> Path:
        numbers = {name: int(place[f"{prefix}/{name}"]) for name in ("chunk_index", "file_index")}
        return self._folder / str(self._info[pattern]).format(**names, **numbers)

    def _control_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The range of the numbers as the statistics tell, else as the data holds."""
        path = self._folder / layout.STATS
        if path.exists():
            stats = json.loads(path.read_text(encoding="utf-8")).get("action", {})
            if {"min", "max"} <= stats.keys():
                return control_range(np.asarray(stats["min"]), np.asarray(stats["max"]))
        low, high = None, None
        for place in self._places():
            actions = np.asarray(self._rows(place, f"{self._folder}")["action"].to_pylist(), np.float64)
            actions = actions.reshape(len(actions), -1)
            low = actions.min(axis=0) if low is None else np.minimum(low, actions.min(axis=0))
            high = actions.max(axis=0) if high is None else np.maximum(high, actions.max(axis=0))
        return ((), ()) if low is None or high is None else control_range(low, high)


_PICTURES = ("video", "image")
