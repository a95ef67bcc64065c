"""Writing a dataset as a LeRobot v3.0 dataset: pixels without loss, in H.264's lossless RGB mode.

LeRobot keeps as many actions as observations. So the last observation of an episode is a row of its own, marked
`is_final_observation`, whose action, reward and flags are those of nothing (0, False).
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wm_gym.data.dataset import Dataset
from wm_gym.data.durable_writes import one_clear_error
from wm_gym.data.episode import Episode
from wm_gym.data.formats import lerobot_layout as layout
from wm_gym.data.formats.lerobot_video import VideoWriter
from wm_gym.data.formats.optional import require
from wm_gym.data.manifest import DatasetError

_MAX_BYTES = 100_000_000  # of a data file, as LeRobot's own


def export_lerobot(
    dataset: Dataset, output: str | os.PathLike[str], *, fps: int | None = None, progress: bool = True
) -> Path:
    """Writes all episodes, one at a time.

    Worlds of numbers get `action` as numbers (NaN beside a text), worlds of texts the index of `action.text` among all
    texts of the dataset, sorted.

    Args:
        dataset: what to write.
        output: the new folder.
        fps: steps a second; None takes the world's, or 1 where it tells none.
        progress: whether to show a bar.

    Returns:
        The folder, for `LeRobotDataset(repo_id, root=folder)`.

    Raises:
        ImportError: `pyarrow` or `av` is not installed.
        DatasetError: the folder exists, or the disk is full; nothing is left of what was begun.
    """
    rate = (dataset.manifest.render_fps or 1) if fps is None else fps
    if rate < 1:
        raise ValueError(f"fps must be at least 1, got {rate}")
    folder = Path(output)
    if folder.exists():
        raise DatasetError(f"{folder} must be new, got a folder; name another --output or delete it")
    partial = folder.with_name(f".{folder.name}.partial")
    with one_clear_error(folder, 0):
        shutil.rmtree(partial, ignore_errors=True)
        (partial / layout.EPISODES).parent.mkdir(parents=True)
        try:
            _Export(dataset, partial, rate).run(progress)
            os.replace(partial, folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder


class _Export:
    """The open files of an export."""

    def __init__(self, dataset: Dataset, folder: Path, fps: int) -> None:
        self._dataset, self._folder, self._fps = dataset, folder, fps
        self._pa = require("pyarrow", "lerobot")
        self._parquet = require("pyarrow.parquet", "lerobot")
        self._schema = layout.data_schema(self._pa, dataset.manifest)
        self._texts = {text: index for index, text in enumerate(dataset.action_texts)}
        self._keys = layout.video_keys(dataset.manifest.chunk_frames)
        self._videos = [VideoWriter(folder, layout.VIDEO.replace("{video_key}", key), fps) for key in self._keys]
        self._data: Any = None
        self._data_index = -1
        self._num_frames = 0

    def run(self, progress: bool) -> None:
        """Writes everything."""
        episodes: Any = None
        try:
            for index, episode in enumerate(tqdm(self._dataset, disable=not progress, unit="episode", desc="export")):
                table = self._pa.Table.from_pylist([self._write(index, episode)])
                if episodes is None:
                    episodes = self._parquet.ParquetWriter(self._folder / layout.EPISODES, table.schema)
                episodes.write_table(table)
        finally:
            for writer in (episodes, self._data, *self._videos):
                if writer is not None:
                    writer.close()
        self._write_meta()

    def _write(self, index: int, episode: Episode) -> dict[str, Any]:
        """Writes an episode's rows and frames; returns its place."""
        num_rows = episode.num_steps + 1
        place: dict[str, Any] = {"episode_index": index, "tasks": [self._dataset.manifest.world], "length": num_rows}
        place |= dict(zip(("data/chunk_index", "data/file_index"), self._write_rows(index, episode), strict=True))
        place |= {"dataset_from_index": self._num_frames, "dataset_to_index": self._num_frames + num_rows}
        for camera, (key, video) in enumerate(zip(self._keys, self._videos, strict=True)):
            number, start, stop = video.append(episode.observations[:, camera])
            place[f"videos/{key}/chunk_index"], place[f"videos/{key}/file_index"] = divmod(number, 1000)
            place[f"videos/{key}/from_timestamp"], place[f"videos/{key}/to_timestamp"] = start, stop
        self._num_frames += num_rows
        place |= {"meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0}
        facts: dict[str, Any] = {"seed": episode.seed, "info": episode.info}
        if episode.world_events:
            facts["world_events"] = episode.world_events
        return {**place, "wm_gym_facts": json.dumps(facts, sort_keys=True)}

    def _write_rows(self, index: int, episode: Episode) -> tuple[int, int]:
        """Writes an episode's rows as one row group; returns the file's chunk and number."""
        path = None if self._data is None else self._data_path()
        if path is None or path.stat().st_size > _MAX_BYTES:
            if self._data is not None:
                self._data.close()
            self._data_index += 1
            self._data_path().parent.mkdir(parents=True, exist_ok=True)
            self._data = self._parquet.ParquetWriter(self._data_path(), self._schema)
        rows = self._rows(index, episode)
        arrays = [self._pa.array(rows[field.name], type=field.type) for field in self._schema]
        self._data.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        return divmod(self._data_index, 1000)

    def _rows(self, index: int, episode: Episode) -> dict[str, Any]:
        num_rows = episode.num_steps + 1
        frame_index = np.arange(num_rows)
        if episode.controls is None:
            actions: Any = [*(self._texts[text] for text in episode.actions), 0]
        else:
            filled = np.concatenate([episode.controls, np.zeros_like(episode.controls[:1])])
            actions = filled[:, 0] if filled.shape[1] == 1 else list(filled)
        return {
            "action": actions,
            layout.TEXT: [*episode.actions, ""],
            "next.reward": np.append(episode.rewards, np.float32(0)),
            "next.done": np.append(episode.terminated | episode.truncated, False),
            "next.terminated": np.append(episode.terminated, False),
            "next.truncated": np.append(episode.truncated, False),
            layout.FINAL: frame_index == num_rows - 1,
            "timestamp": (frame_index / self._fps).astype(np.float32),
            "frame_index": frame_index,
            "episode_index": np.full(num_rows, index),
            "index": self._num_frames + frame_index,
            "task_index": np.zeros(num_rows, dtype=np.int64),
        }

    def _data_path(self) -> Path:
        chunk_index, file_index = divmod(self._data_index, 1000)
        return self._folder / layout.DATA.format(chunk_index=chunk_index, file_index=file_index)

    def _write_meta(self) -> None:
        manifest = self._dataset.manifest
        info = {
            "codebase_version": layout.VERSION,
            "robot_type": None,
            "total_episodes": len(self._dataset),
            "total_frames": self._num_frames,
            "total_tasks": 1,
            "chunks_size": 1000,
            "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200,
            "fps": self._fps,
            "splits": {"train": f"0:{len(self._dataset)}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEO,
            "features": layout.features(manifest, self._fps),
        }
        (self._folder / layout.INFO).write_text(json.dumps(info, indent=4) + "\n", encoding="utf-8")
        (self._folder / layout.OURS).write_text(manifest.to_json(), encoding="utf-8")
        self._parquet.write_table(layout.tasks_table(self._pa, manifest.world), self._folder / layout.TASKS)
