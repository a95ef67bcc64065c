"""Minari datasets in and out, against the real library."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.data.episodes import make_episode, make_manifest, write_dataset
from wm_gym.data.dataset import Dataset, DatasetError, DatasetWriter
from wm_gym.data.formats.action_table import ActionTable
from wm_gym.data.formats.minari_export import export_minari
from wm_gym.data.formats.minari_source import MinariSource
from wm_gym.data.formats.source import ImportConfig, import_episodes

minari = pytest.importorskip("minari")
h5py = pytest.importorskip("h5py")

LAKE_TEXTS = ["left", "down", ["right", "go right"], "up"]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minari's own folder of datasets is this test's."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))


def bring(place: object, output: Path, **options: Any) -> Dataset:
    return import_episodes(MinariSource(str(place), ImportConfig(**options)), output, progress=False).dataset


def collect(name: str, episodes: list[dict[str, Any]], **spaces: Any) -> None:
    """A dataset that Minari itself writes; pictures stay as they are unless it is told otherwise."""
    buffers = [minari.data_collector.EpisodeBuffer(**episode) for episode in episodes]
    with pytest.warns(UserWarning):  # no author, no description
        minari.create_dataset_from_buffers(name, buffers, **{"jpeg_encoding": False, **spaces})


def collect_lake(name: str, num_episodes: int = 2) -> list[np.ndarray]:
    """Slippery FrozenLake without stored pictures; returns what it looked like."""
    env = gym.make("FrozenLake-v1", render_mode="rgb_array")
    episodes, pictures = [], []
    for seed in range(num_episodes):
        rows: dict[str, list[Any]] = {"observations": [env.reset(seed=seed)[0]], "actions": [], "rewards": []}
        rows |= {"terminations": [], "truncations": []}
        seen = [env.render()]
        while len(seen) < 6 and not any(rows["terminations"]):
            action = (seed + len(seen)) % 4
            values = env.step(action)[:4]
            seen.append(env.render())
            for key, value in zip(("observations", "rewards", "terminations", "truncations"), values, strict=True):
                rows[key].append(value)
            rows["actions"].append(action)
        episodes.append({"seed": seed, **rows})
        pictures.append(np.stack([np.asarray(picture) for picture in seen]))
    collect(name, episodes, env=env)
    return pictures


def test_world_events_survive(tmp_path: Path) -> None:
    episodes = [replace(make_episode(0, 3), world_events=("", "it rains", "")), make_episode(1, 2)]
    export_minari(write_dataset(tmp_path / "first", *episodes), progress=False)
    assert list(bring("tiny/recorded-v0", tmp_path / "second")) == episodes


def test_round_trip_is_equal_bit_for_bit(tmp_path: Path) -> None:
    episodes = [make_episode(0, 5, reward_step=2), make_episode(1, 40, ends=False), make_episode(2, 1)]
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, episodes[1].observations.shape, dtype=np.uint8)
    episodes[1] = replace(episodes[1], observations=noise, seed=None)
    first = write_dataset(tmp_path / "first", *episodes)
    export_minari(first, progress=False)
    second = bring("tiny/recorded-v0", tmp_path / "second")
    assert list(second) == episodes
    assert second.fingerprint == first.fingerprint


def test_minaris_own_loader_reads_the_export(tmp_path: Path) -> None:
    manifest = replace(make_manifest(), frame_size=(40, 48), chunk_frames=1)
    pixels = np.random.default_rng(1).integers(0, 256, (6, 1, 40, 48, 3), dtype=np.uint8)
    episode = replace(make_episode(3), observations=pixels)
    with DatasetWriter.open(tmp_path / "first", manifest) as writer:
        writer.append(episode)
    folder = export_minari(Dataset.open(tmp_path / "first"), dataset_id="ours/noise-v3", progress=False)
    assert folder == tmp_path / "minari" / "ours" / "noise-v3"
    assert "ours/noise-v3" in minari.list_local_datasets()
    loaded = minari.load_dataset("ours/noise-v3")
    (stored,) = loaded.iterate_episodes()
    assert np.array_equal(stored.observations, pixels[:, 0])  # JPEG would not keep noise
    assert loaded.observation_space.contains(stored.observations[0])
    assert tuple(stored.actions) == episode.actions
    assert all(loaded.action_space.contains(action) for action in stored.actions)
    assert stored.rewards.dtype == np.float32 and np.array_equal(stored.rewards, episode.rewards)
    assert np.array_equal(stored.terminations, episode.terminated)
    assert np.array_equal(stored.truncations, episode.truncated)
    assert (loaded.total_episodes, loaded.total_steps) == (1, 5)
    assert next(loaded.storage.get_episode_metadata([0]))["seed"] == 3


@pytest.mark.parametrize("both", [True, False])
def test_numbers_survive_beside_texts_and_alone(tmp_path: Path, both: bool) -> None:
    manifest = replace(make_manifest(), control_low=(-1.0, 0.0), control_high=(1.0, 2.0))
    numbers = np.array([[0.5, 1], [np.nan] * 2 if both else [-1, 0], [1, 2]], dtype=np.float32)
    episode = replace(make_episode(0, 3), actions=("", "go" if both else "", ""), controls=numbers)
    with DatasetWriter.open(tmp_path / "first", manifest) as writer:
        writer.append(episode)
    export_minari(Dataset.open(tmp_path / "first"), output=tmp_path / "root", progress=False)
    folder = tmp_path / "root" / "tiny" / "recorded-v0"
    second = bring(folder, tmp_path / "second")
    assert list(second) == [episode]
    assert second.manifest == manifest
    space = minari.MinariDataset(str(folder / "data")).action_space
    assert isinstance(space, gym.spaces.Dict if both else gym.spaces.Box)


def test_env_is_named_where_it_is_installed(tmp_path: Path) -> None:
    manifest = replace(make_manifest(), env_id="FrozenLake-v1", env_arguments={"is_slippery": "false"})
    with DatasetWriter.open(tmp_path / "first", manifest) as writer:
        writer.append(make_episode(0))
    export_minari(Dataset.open(tmp_path / "first"), progress=False)
    env = minari.load_dataset("tiny/recorded-v0").recover_environment()
    assert env.spec is not None and env.spec.kwargs["is_slippery"] is False
    assert "is_slippery" not in gym.spec("FrozenLake-v1").kwargs or gym.spec("FrozenLake-v1").kwargs["is_slippery"]


def test_discrete_actions_and_stored_pictures_become_texts(tmp_path: Path) -> None:
    pictures = np.random.default_rng(2).integers(0, 256, (4, 32, 40, 3), dtype=np.uint8)
    episode = {
        "seed": 7,
        "observations": list(pictures),
        "actions": [0, 2, 3],
        "rewards": [0.0, 0.0, 1.0],
        "terminations": [False, False, True],
        "truncations": [False] * 3,
    }
    spaces = {"observation_space": gym.spaces.Box(0, 255, (32, 40, 3), np.uint8)}
    collect("other/lake-v0", [episode], **spaces, action_space=gym.spaces.Discrete(4))
    dataset = bring("other/lake-v0", tmp_path / "out", action_table=ActionTable.of(LAKE_TEXTS), world="lake")
    (found,) = list(dataset)
    assert np.array_equal(found.observations[:, 0], pictures)
    assert found.actions[0] == "left" and found.actions[1] in ("right", "go right") and found.actions[2] == "up"
    assert (found.seed, found.rewards.tolist(), found.terminated.tolist()) == (7, [0, 0, 1], [False, False, True])
    assert dataset.manifest.action_phrases["right"] == ("right", "go right")
    assert dataset.manifest.world == "lake"
    with pytest.raises(ValueError, match="episode 0: actions are indices .* must have texts; pass --action-texts"):
        bring("other/lake-v0", tmp_path / "none")


def test_numbers_stay_numbers_in_the_range_of_their_space(tmp_path: Path) -> None:
    pictures = np.zeros((3, 32, 32, 3), dtype=np.uint8)
    rows = {"rewards": [0.0, 0.0], "terminations": [False] * 2, "truncations": [False, True]}
    actions = np.array([[0.5, -3], [-0.25, 9]], dtype=np.float32)
    episode = {
        "observations": {"eye": list(pictures), "joints": [np.zeros(1, np.float32)] * 3},
        "actions": list(actions),
        **rows,
    }
    eye, joints = gym.spaces.Box(0, 255, (32, 32, 3), np.uint8), gym.spaces.Box(-1, 1, (1,))
    space = gym.spaces.Dict(eye=eye, joints=joints)
    box = gym.spaces.Box(-10, 10, (2,))
    collect("other/arm-v0", [episode], observation_space=space, action_space=box)
    collect("other/arm-v1", [episode], observation_space=space, action_space=gym.spaces.Box(-np.inf, np.inf, (2,)))
    dataset = bring("other/arm-v0", tmp_path / "out")
    controls = dataset[0].controls
    assert controls is not None and np.array_equal(controls, actions)
    assert (dataset.manifest.control_low, dataset.manifest.control_high) == ((-10, -10), (10, 10))
    unbounded = bring("other/arm-v1", tmp_path / "unbounded").manifest
    assert (unbounded.control_low, unbounded.control_high) == ((-0.25, -3), (0.5, 9))
    with pytest.raises(ValueError, match="observation_key must be one of eye, joints"):
        bring("other/arm-v0", tmp_path / "none", observation_key="ear")


def test_pictures_are_rendered_by_playing_again(tmp_path: Path) -> None:
    pictures = collect_lake("other/plain-v0")
    dataset = bring("other/plain-v0", tmp_path / "out", action_table=ActionTable.of(LAKE_TEXTS))
    assert len(dataset) == 2
    for episode, rows in zip(dataset, pictures, strict=True):
        assert np.array_equal(episode.observations[:, 0], rows)
    assert dataset.manifest.env_id == "FrozenLake-v1"


def test_env_that_does_not_repeat_the_episode_is_told(tmp_path: Path) -> None:
    collect_lake("other/plain-v0", 1)
    with h5py.File(tmp_path / "minari/other/plain-v0/data/main_data.hdf5", "a") as file:
        file["episode_0/observations"][2] = 15
    with pytest.raises(ValueError, match=r"episode 0: played again.*observation 2 differs: stored 15"):
        bring("other/plain-v0", tmp_path / "out", action_table=ActionTable.of(LAKE_TEXTS))


def test_import_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    export_minari(write_dataset(tmp_path / "first", *map(make_episode, range(3))), progress=False)
    config = ImportConfig()
    source = MinariSource("tiny/recorded-v0", config)
    report = import_episodes(source, tmp_path / "second", max_episodes=1, progress=False)
    assert (len(report.dataset), report.num_new) == (1, 1)
    report = import_episodes(source, tmp_path / "second", progress=False)
    assert (len(report.dataset), report.num_new) == (3, 2)
    assert list(report.dataset) == list(map(make_episode, range(3)))
    with pytest.raises(DatasetError, match="must be of the import that was stopped"):
        bring("tiny/recorded-v0", tmp_path / "second", world="other")


def test_cut_file_keeps_what_was_read(tmp_path: Path) -> None:
    folder = export_minari(write_dataset(tmp_path / "first", *map(make_episode, range(3))), progress=False)
    with h5py.File(folder / "data" / "main_data.hdf5", "a") as file:
        del file["episode_1"]
    with pytest.raises(DatasetError, match="minari:.*recorded-v0 episode 1 must be readable"):
        bring(folder, tmp_path / "second")
    assert list(Dataset.open(tmp_path / "second")) == [make_episode(0)]
    data = (folder / "data" / "main_data.hdf5").read_bytes()
    (folder / "data" / "main_data.hdf5").write_bytes(data[:500])
    with pytest.raises(DatasetError, match="must be readable"):
        bring(folder, tmp_path / "third")


def test_export_refuses_what_would_overwrite(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "first", make_episode(0))
    export_minari(dataset, progress=False)
    with pytest.raises(DatasetError, match="must be new"):
        export_minari(dataset, progress=False)
    with pytest.raises(ValueError, match="dataset_id must be as"):
        export_minari(dataset, dataset_id="no version", progress=False)


def test_failed_export_leaves_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "first", *map(make_episode, range(2)))
    (tmp_path / "first" / "episodes" / "000001.npz").write_bytes(b"x")
    with pytest.raises(DatasetError, match="000001.npz"):
        export_minari(dataset, progress=False)
    assert [path for path in (tmp_path / "minari").rglob("*") if path.is_file()] == []


def test_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must be a Minari dataset, got a folder without metadata"):
        MinariSource(str(tmp_path), ImportConfig())
    (tmp_path / "metadata.json").write_text(json.dumps({}))
    with pytest.raises(DatasetError, match="must be a Minari dataset's folder or id"):
        MinariSource(str(tmp_path), ImportConfig())
