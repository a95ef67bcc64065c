"""Writing a dataset as a Minari dataset, bit for bit: raw pictures, compressed without loss by HDF5.

Minari writes pictures as JPEG by default (lossy), or as raw arrays without compression. This writes its HDF5 layout
(minari/dataset/_storages/hdf5_storage.py, 0.5) with gzip, which its loader reads as any other.
"""

import copy
import json
import os
import shutil
import string
from importlib import metadata
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from tqdm import tqdm

from wm_gym.data.dataset import Dataset
from wm_gym.data.durable_writes import one_clear_error
from wm_gym.data.episode import Episode
from wm_gym.data.formats.minari_source import EVENTS_KEY, INFO_KEY, MANIFEST_KEY
from wm_gym.data.formats.optional import require
from wm_gym.data.manifest import DatasetError

_FRAMES_A_BLOCK = 16  # that HDF5 compresses together


def export_minari(
    dataset: Dataset,
    *,
    dataset_id: str | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: bool = True,
) -> Path:
    """Writes all episodes, one at a time.

    Actions become a Text space, a Box of numbers where there are only those, or a Dict of "text" and "numbers" where
    there are both (numbers are NaN beside a text).

    Args:
        dataset: what to write.
        dataset_id: the id for `minari.load_dataset`, ending in "-v" and a number; None takes "<world>/recorded-v0".
        output: the folder of datasets that MINARI_DATASETS_PATH names; None takes Minari's own.
        progress: whether to show a bar.

    Returns:
        The dataset's folder, `output / dataset_id`.

    Raises:
        ImportError: `minari` is not installed.
        DatasetError: the folder exists, or the disk is full; nothing is left of what was begun.
    """
    storage = require("minari.dataset.minari_storage", "minari")
    h5py = require("h5py", "minari")
    name = dataset_id or f"{_plain(dataset.manifest.world)}/recorded-v0"
    root = require("minari.storage.datasets_root_dir", "minari").get_dataset_path() if output is None else Path(output)
    _check_id(name)
    folder, partial = Path(root) / name, Path(root) / name / ".partial"
    if (folder / "data").exists():
        raise DatasetError(f"{folder} must be new, got a dataset; name another --dataset-id or delete it")
    with one_clear_error(folder, 0):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            storage = storage.MinariStorage.new(
                partial,
                observation_space=_observation_space(dataset),
                action_space=_action_space(dataset),
                env_spec=_env_spec(dataset),
                data_format="hdf5",
                jpeg_encoding=False,
            )
            with h5py.File(partial / "main_data.hdf5", "w", track_order=True) as file:
                for index, episode in enumerate(tqdm(dataset, disable=not progress, unit="episode", desc="export")):
                    _write(file.create_group(f"episode_{index}"), index, episode, _kind(dataset), h5py.string_dtype())
            storage.update_metadata(_facts(dataset, name, storage.get_size()))
            os.replace(partial, folder / "data")
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    return folder


def _write(group: Any, index: int, episode: Episode, kind: str, text_dtype: Any) -> None:
    """One episode, as `minari.EpisodeData` names its parts."""
    group.attrs.update({"id": index, "total_steps": episode.num_steps, INFO_KEY: json.dumps(episode.info)})
    if events := {step: event for step, event in enumerate(episode.world_events) if event}:
        group.attrs[EVENTS_KEY] = json.dumps(events)
    if episode.seed is not None:
        group.attrs["seed"] = episode.seed
    frames = episode.observations[:, 0] if episode.observations.shape[1] == 1 else episode.observations
    block = (min(_FRAMES_A_BLOCK, len(frames)), *frames.shape[1:])
    group.create_dataset("observations", data=frames, chunks=block, compression="gzip", compression_opts=4)
    texts = {"data": list(episode.actions), "dtype": text_dtype}
    if kind == "both":
        group.create_dataset("actions/text", **texts)
        group.create_dataset("actions/numbers", data=episode.controls)
    elif kind == "numbers":
        group.create_dataset("actions", data=episode.controls)
    else:
        group.create_dataset("actions", **texts)
    for name, row in (("rewards", episode.rewards), ("terminations", episode.terminated)):
        group.create_dataset(name, data=row)
    group.create_dataset("truncations", data=episode.truncated)


def _kind(dataset: Dataset) -> str:
    """What actions are: "texts", "numbers" or "both"."""
    if not dataset.manifest.control_low:
        return "texts"
    return "numbers" if dataset.action_texts == ("",) else "both"


def _observation_space(dataset: Dataset) -> gym.Space[Any]:
    manifest = dataset.manifest
    chunk = () if manifest.chunk_frames == 1 else (manifest.chunk_frames,)
    return gym.spaces.Box(0, 255, (*chunk, *manifest.frame_size, 3), np.uint8)


def _action_space(dataset: Dataset) -> gym.Space[Any]:
    manifest = dataset.manifest
    characters = set(string.printable).union(*dataset.action_texts)
    longest = max(256, *map(len, dataset.action_texts))
    texts = gym.spaces.Text(longest, min_length=0, charset="".join(sorted(characters)))
    low, high = (np.array(limit, np.float32) for limit in (manifest.control_low, manifest.control_high))
    kind = _kind(dataset)
    if kind == "texts":
        return texts
    numbers = gym.spaces.Box(low, high, dtype=np.float32)
    return numbers if kind == "numbers" else gym.spaces.Dict(text=texts, numbers=numbers)


def _env_spec(dataset: Dataset) -> Any:
    """The env that was recorded, where it is installed, so that `recover_environment` makes it."""
    manifest = dataset.manifest
    try:
        spec = copy.deepcopy(gym.spec(manifest.env_id))
        spec.kwargs = spec.kwargs | {name: json.loads(text) for name, text in manifest.env_arguments.items()}
        spec.to_json()
    except (gym.error.Error, ImportError, ValueError, TypeError):
        return None
    return spec


def _facts(dataset: Dataset, name: str, size: float) -> dict[str, Any]:
    return {
        "dataset_id": name,
        "total_episodes": len(dataset),
        "total_steps": dataset.num_steps,
        "dataset_size": float(size),
        "minari_version": metadata.version("minari"),
        "algorithm_name": dataset.manifest.policy,
        "description": f"Pictures and actions of the world {dataset.manifest.world}, exported by wm-gym without loss.",
        MANIFEST_KEY: dataset.manifest.to_json(),
    }


def _plain(name: str) -> str:
    """A world's name as Minari's ids allow."""
    return "".join(letter if letter.isalnum() or letter in "_-" else "-" for letter in name).strip("-") or "world"


def _check_id(name: str) -> None:
    parse = require("minari.dataset.minari_dataset", "minari").parse_dataset_id
    try:
        parse(name)
    except (ValueError, TypeError) as error:
        raise ValueError(f"dataset_id must be as minigrid/recorded-v0, got {name!r}: {error}; rename it") from error
