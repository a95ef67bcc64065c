"""The layout of LeRobot datasets v3.0 (lerobot/datasets/utils.py, 0.4): paths, features and tables.

`meta/info.json`, `meta/tasks.parquet`, `meta/episodes/chunk-000/file-000.parquet` (an episode a row, with its place in
the other files), `data/chunk-000/file-000.parquet` (a frame a row) and `videos/KEY/chunk-000/file-000.mp4`. The
manifest, for which LeRobot has no place, is in `meta/wm_gym.json`, which only we read.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from wm_gym.data.formats.lerobot_video import CODEC, PIXEL_FORMAT
from wm_gym.data.manifest import DatasetError, Manifest

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"
INFO, STATS, TASKS, OURS = "meta/info.json", "meta/stats.json", "meta/tasks.parquet", "meta/wm_gym.json"
TEXT, FINAL = "action.text", "is_final_observation"  # columns that our export adds


def video_keys(chunk_frames: int) -> list[str]:
    """The names of the cameras: one for each frame of a chunk."""
    main = "observation.images.main"
    return [main] if chunk_frames == 1 else [f"observation.images.frame_{index}" for index in range(chunk_frames)]


def features(manifest: Manifest, fps: int) -> dict[str, Any]:
    """LeRobot's description of every column that our export writes."""
    height, width = manifest.frame_size
    video = {
        "dtype": "video",
        "shape": [height, width, 3],
        "names": ["height", "width", "channels"],
        "info": {
            "video.height": height,
            "video.width": width,
            "video.codec": CODEC,
            "video.pix_fmt": PIXEL_FORMAT,
            "video.is_depth_map": False,
            "video.fps": fps,
            "video.channels": 3,
            "has_audio": False,
        },
    }
    found: dict[str, Any] = {key: video for key in video_keys(manifest.chunk_frames)}
    num_controls = len(manifest.control_low)
    found["action"] = _feature("float32", num_controls) if num_controls else _feature("int64")
    found[TEXT] = _feature("string")
    found["next.reward"] = _feature("float32")
    for name in ("next.done", "next.terminated", "next.truncated", FINAL):
        found[name] = _feature("bool")
    found["timestamp"] = _feature("float32")
    for name in ("frame_index", "episode_index", "index", "task_index"):
        found[name] = _feature("int64")
    return found


def _feature(dtype: str, size: int = 1) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [size], "names": None}


def data_schema(pa: Any, manifest: Manifest) -> Any:
    """The Arrow schema of the data files."""
    types = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
    fields = []
    for name, feature in features(manifest, 1).items():
        if feature["dtype"] == "video":
            continue
        size = feature["shape"][0]
        kind = types[feature["dtype"]]
        fields.append((name, kind if size == 1 else pa.list_(kind, size)))
    return pa.schema(fields)


def tasks_table(pa: Any, task: str) -> Any:
    """The only task, as pandas writes a frame whose index is the tasks' texts, without pandas."""
    columns: list[dict[str, Any]] = [
        {"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64"},
        {"name": None, "field_name": "__index_level_0__", "pandas_type": "unicode", "numpy_type": "object"},
    ]
    pandas = {
        "index_columns": ["__index_level_0__"],
        "column_indexes": [],
        "columns": [{**column, "metadata": None} for column in columns],
        "creator": {"library": "pyarrow", "version": pa.__version__},
        "pandas_version": "2.2.0",
    }
    table = pa.table({"task_index": np.zeros(1, dtype=np.int64), "__index_level_0__": [task]})
    return table.replace_schema_metadata({"pandas": json.dumps(pandas)})


def read_info(folder: Path) -> dict[str, Any]:
    """Reads `meta/info.json`.

    Raises:
        DatasetError: there is none, or it is not of v3.
    """
    path = folder / INFO
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} must be a LeRobot dataset's, got {error}; name a LeRobot dataset") from error
    version = info.get("codebase_version") if isinstance(info, dict) else None
    if not str(version).startswith("v3."):
        next_step = "convert it with lerobot's convert_dataset_v21_to_v30"
        raise DatasetError(f"{path} must have codebase_version {VERSION}, got {version}; {next_step}")
    missing = {"features", "fps", "total_episodes", "data_path"} - info.keys()
    if missing:
        raise DatasetError(f"{path} must have {sorted(missing)}, got {sorted(info)}; get it again")
    return dict(info)
