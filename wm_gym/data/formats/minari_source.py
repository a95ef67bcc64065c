"""Reading Minari datasets: stored pictures, or pictures rendered by playing the episodes again in their env."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.data.episode import Episode
from wm_gym.data.formats.action_table import control_range
from wm_gym.data.formats.assemble import RawEpisode, assemble
from wm_gym.data.formats.minari_replay import Replay
from wm_gym.data.formats.optional import require
from wm_gym.data.formats.pictures import Chunks, choose_key, is_picture, to_chunks
from wm_gym.data.formats.source import ImportConfig
from wm_gym.data.manifest import DatasetError, Manifest

MANIFEST_KEY, INFO_KEY = "wm_gym_manifest", "wm_gym_info"  # what our own export adds to Minari's metadata
EVENTS_KEY = "wm_gym_world_events"  # step to text


class MinariSource:
    """A Minari dataset, its episodes in the order of their indices.

    Attributes:
        num_episodes: how many there are.
        notes: what was done to how many of them.
    """

    def __init__(self, place: str, config: ImportConfig) -> None:
        """Opens it; one that is not on this machine is downloaded by Minari.

        Args:
            place: a dataset's id ("D4RL/minigrid/fourrooms-v0"), or its folder.
            config: how to read it.

        Raises:
            ImportError: `minari` is not installed.
            DatasetError: there is no such dataset, or Minari cannot read it.
            ValueError: it holds no pictures, and no env to render them.
        """
        self.place = place
        self._config = config
        self._dataset = _load(place)
        self.num_episodes: int | None = len(self._dataset)
        self.notes: dict[str, int] = {}
        self._key = _picture_key(self._dataset.observation_space, config.observation_key, place)
        self._replay = Replay(self._dataset, place) if self._key is None else None

    def describe(self) -> dict[str, str]:
        """The facts that a resumed import must share."""
        return {"format": "minari", "source": self.place, **self._config.describe()}

    def manifest(self) -> Manifest:
        """The facts of all episodes; those that our own export stored, where it wrote the dataset."""
        if self.num_episodes == 0:
            raise DatasetError(f"{self.place} must hold at least 1 episode, got 0; choose another dataset")
        metadata = self._dataset.storage.metadata
        if MANIFEST_KEY in metadata:
            return self._config.adapt(Manifest.from_json(metadata[MANIFEST_KEY]))
        spec = self._dataset.env_spec
        shape = self._chunks(0, self._stored(0)).shape
        low, high = self._control_range()
        kwargs = {} if spec is None else spec.kwargs
        manifest = Manifest(
            env_id="" if spec is None else spec.id,
            env_arguments={name: json.dumps(value, default=repr, sort_keys=True) for name, value in kwargs.items()},
            world=spec.id if spec is not None else self._dataset.id or Path(self.place).name,
            frame_size=(shape[2], shape[3]),
            chunk_frames=shape[1],
            control_low=low,
            control_high=high,
            policy=str(metadata.get("algorithm_name", "")),
            versions={"minari": str(metadata.get("minari_version", ""))},
        )
        return self._config.adapt(manifest)

    def episodes(self, start: int) -> Iterator[Episode]:
        """The episodes from index `start` on.

        Raises:
            DatasetError: one that Minari cannot read; names the index.
            ValueError: one that is no episode of pictures, texts or numbers.
        """
        for index in range(start, len(self._dataset)):
            raw = self._raw(index, self._stored(index))
            yield assemble(raw, self._config, index, self.notes)

    def _stored(self, index: int) -> Any:
        """An episode as Minari gives it."""
        try:
            return self._dataset[index]
        except (OSError, KeyError, ValueError, TypeError, AssertionError) as error:
            got = f"{type(error).__name__}: {error}"
            raise DatasetError(f"{self._where(index)} must be readable by Minari, got {got}; get it again") from error

    def _metadata(self, index: int) -> dict[str, Any]:
        return dict(next(iter(self._dataset.storage.get_episode_metadata([self._dataset.episode_indices[index]]))))

    def _chunks(self, index: int, stored: Any) -> Chunks:
        if self._replay is not None:
            return self._replay.render(stored, self._metadata(index), self._where(index))
        pictures = stored.observations[self._key] if self._key else stored.observations
        return to_chunks(np.asarray(pictures), f"{self._where(index)} observations")

    def _raw(self, index: int, stored: Any) -> RawEpisode:
        metadata = self._metadata(index)
        actions, controls = _actions(stored.actions, self._where(index))
        seed = metadata.get("seed")
        return RawEpisode(
            where=self._where(index),
            chunks=self._chunks(index, stored),
            actions=actions,
            rewards=np.asarray(stored.rewards),
            terminated=np.asarray(stored.terminations),
            truncated=np.asarray(stored.truncations),
            controls=controls,
            world_events=_world_events(metadata, len(actions)),
            seed=None if seed is None else int(seed),
            info=_info(stored.observations, metadata),
        )

    def _where(self, index: int) -> str:
        return f"minari:{self.place} episode {index}"

    def _control_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The range of numbers as the space tells, else as the dataset holds; empty where actions are none."""
        space = self._dataset.action_space
        if self._config.action_table is not None or not isinstance(space, gym.spaces.Box):
            return (), ()
        if np.isfinite(space.low).all() and np.isfinite(space.high).all():
            return control_range(space.low, space.high)
        low, high = np.full(space.shape, np.inf), np.full(space.shape, -np.inf)
        for index in range(len(self._dataset)):
            actions = np.asarray(self._stored(index).actions)
            low, high = np.minimum(low, actions.min(axis=0)), np.maximum(high, actions.max(axis=0))
        return control_range(low, high)


def _load(place: str) -> Any:
    """Opens a folder (a dataset's, or the `data` in it), or what Minari knows by this id."""
    minari = require("minari", "minari")
    folder = Path(place)
    try:
        for data in (folder / "data", folder):
            if (data / "metadata.json").exists():
                return minari.MinariDataset(str(data))
        if folder.is_dir():
            raise DatasetError(f"{folder} must be a Minari dataset, got a folder without metadata.json; name another")
        return minari.load_dataset(place, download=True)
    except DatasetError:
        raise
    except Exception as error:  # its hosts, HDF5 and JSON raise errors of many kinds
        rule = "must be a Minari dataset's folder or id (see `minari list remote`)"
        raise DatasetError(f"minari:{place} {rule}, got {type(error).__name__}: {error}") from error


def _picture_key(space: gym.Space[Any], wanted: str | None, place: str) -> str | None:
    """The name of the pictures, "" where the observation is one, None where they must be rendered."""
    if not isinstance(space, gym.spaces.Dict):
        shape = space.shape or ()
        is_chunk = len(shape) == 4 and shape[-1] == 3 and space.dtype == np.uint8
        return "" if is_chunk or is_picture(shape, space.dtype) else None
    if wanted is not None and wanted not in space.spaces:
        names = ", ".join(space.spaces)
        raise ValueError(f"observation_key must be one of {names} in minari:{place}, got {wanted!r}; choose one")
    found = [name for name, part in space.spaces.items() if is_picture(part.shape or (), part.dtype)]
    return choose_key(wanted, found, f"minari:{place}") if found or wanted else None


def _actions(actions: Any, where: str) -> tuple[Any, np.ndarray | None]:
    """Texts or numbers, or both, as our own export stores them."""
    if not isinstance(actions, Mapping):
        return actions, None
    if actions.keys() != {"text", "numbers"}:
        raise ValueError(f"{where}: actions must be texts, indices or numbers, got a dict of {sorted(actions)}")
    return list(actions["text"]), np.asarray(actions["numbers"])


def _world_events(metadata: Mapping[str, Any], num_steps: int) -> tuple[str, ...]:
    """What our own export stored of the steps in which something happened."""
    told = json.loads(metadata.get(EVENTS_KEY, "{}"))
    return tuple(told.get(str(step), "") for step in range(num_steps)) if told else ()


def _info(observations: Any, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Facts of an episode: those that our own export stored, else the texts of its first observation."""
    if INFO_KEY in metadata:
        return dict(json.loads(metadata[INFO_KEY]))
    if not isinstance(observations, Mapping):
        return {}
    return {name: str(rows[0]) for name, rows in observations.items() if len(rows) and isinstance(rows[0], str)}
