"""LeRobot v3.0 datasets in and out."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.data.episodes import make_manifest
from wm_gym.data.dataset import Dataset, DatasetError, DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.formats import lerobot_video
from wm_gym.data.formats.action_table import ActionTable
from wm_gym.data.formats.assemble import DROPPED
from wm_gym.data.formats.lerobot_export import export_lerobot
from wm_gym.data.formats.lerobot_source import LeRobotSource
from wm_gym.data.formats.lerobot_video import VideoWriter, read_frames
from wm_gym.data.formats.source import ImportConfig, ImportReport, import_episodes

pq = pytest.importorskip("pyarrow.parquet")
pa = pytest.importorskip("pyarrow")
av = pytest.importorskip("av")

TEXTS = ("go", "wait", "öffne \U0001f6aa")


def noise_episode(number: int, num_steps: int, *, chunk_frames: int = 1, **changes: Any) -> Episode:
    """Frames of noise, which no lossy codec keeps."""
    rng = np.random.default_rng(number)
    last = np.arange(num_steps) == num_steps - 1
    episode = Episode(
        observations=rng.integers(0, 256, (num_steps + 1, chunk_frames, 34, 50, 3), dtype=np.uint8),
        actions=tuple(TEXTS[step % 3] for step in range(num_steps)),
        rewards=rng.normal(size=num_steps).astype(np.float32),
        terminated=last & (number % 2 == 0),
        truncated=last & (number % 2 == 1),
        seed=number or None,
        info={"layout": f"room {number}"},
    )
    return replace(episode, **changes)


def write(folder: Path, *episodes: Episode, **changes: Any) -> Dataset:
    chunk_frames = episodes[0].observations.shape[1]
    manifest = replace(make_manifest(), frame_size=(34, 50), chunk_frames=chunk_frames, render_fps=10, **changes)
    with DatasetWriter.open(folder, manifest) as writer:
        for episode in episodes:
            writer.append(episode)
    return Dataset.open(folder)


def bring(place: Path, output: Path, **options: Any) -> ImportReport:
    return import_episodes(LeRobotSource(str(place), ImportConfig(**options)), output, progress=False)


@pytest.mark.parametrize("chunk_frames", [1, 2])
def test_round_trip_is_equal_bit_for_bit(tmp_path: Path, chunk_frames: int) -> None:
    episodes = [noise_episode(number, steps, chunk_frames=chunk_frames) for number, steps in enumerate((3, 1, 20))]
    first = write(tmp_path / "first", *episodes)
    export_lerobot(first, tmp_path / "lerobot", progress=False)
    report = bring(tmp_path / "lerobot", tmp_path / "second")
    assert list(report.dataset) == episodes
    assert report.dataset.fingerprint == first.fingerprint
    assert report.notes == {}


def test_world_events_survive(tmp_path: Path) -> None:
    episodes = [noise_episode(1, 3, world_events=("", "it rains", "")), noise_episode(2, 3)]
    export_lerobot(write(tmp_path / "first", *episodes), tmp_path / "lerobot", progress=False)
    assert list(bring(tmp_path / "lerobot", tmp_path / "second").dataset) == episodes


@pytest.mark.parametrize("num_numbers", [1, 2])
def test_numbers_survive_beside_texts(tmp_path: Path, num_numbers: int) -> None:
    numbers = np.array([[0.5] * num_numbers, [np.nan] * num_numbers, [-1] * num_numbers], dtype=np.float32)
    episode = noise_episode(1, 3, actions=("", "go", ""), controls=numbers)
    limits = {"control_low": (-1.0,) * num_numbers, "control_high": (1.0,) * num_numbers}
    first = write(tmp_path / "first", episode, **limits)
    export_lerobot(first, tmp_path / "lerobot", progress=False)
    second = bring(tmp_path / "lerobot", tmp_path / "second").dataset
    assert list(second) == [episode]
    assert second.manifest == first.manifest


def test_full_videos_and_data_files_are_followed_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lerobot_video, "_MAX_SECONDS", 1)  # 10 frames
    monkeypatch.setattr("wm_gym.data.formats.lerobot_export._MAX_BYTES", 1)
    episodes = [noise_episode(number, 3) for number in range(5)]
    export_lerobot(write(tmp_path / "first", *episodes), tmp_path / "lerobot", progress=False)
    videos = sorted((tmp_path / "lerobot" / "videos").rglob("*.mp4"))
    assert [path.name for path in videos] == ["file-000.mp4", "file-001.mp4", "file-002.mp4"]
    assert len(list((tmp_path / "lerobot" / "data").rglob("*.parquet"))) == 5
    assert list(bring(tmp_path / "lerobot", tmp_path / "second").dataset) == episodes


def test_layout_is_lerobots(tmp_path: Path) -> None:
    folder = export_lerobot(
        write(tmp_path / "first", noise_episode(0, 3), noise_episode(1, 2)), tmp_path / "lerobot", progress=False
    )
    info = json.loads((folder / "meta" / "info.json").read_text())
    assert (info["codebase_version"], info["total_episodes"], info["total_frames"]) == ("v3.0", 2, 7)
    rows = pq.read_table(folder / "data" / "chunk-000" / "file-000.parquet").to_pydict()
    assert rows["index"] == list(range(7))
    assert rows["episode_index"] == [0] * 4 + [1] * 3
    assert rows["action"] == [0, 1, 2, 0, 0, 1, 0]  # an index into the sorted texts
    assert rows["is_final_observation"] == [False] * 3 + [True, False, False, True]
    assert rows["next.done"] == [False, False, True, False, False, True, False]
    assert np.allclose(rows["timestamp"], [0, 0.1, 0.2, 0.3, 0, 0.1, 0.2])
    assert set(rows) == {name for name, feature in info["features"].items() if feature["dtype"] != "video"}
    second = pq.read_table(folder / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()[1]
    assert (second["dataset_from_index"], second["dataset_to_index"], second["length"]) == (4, 7, 3)
    assert np.isclose(second["videos/observation.images.main/from_timestamp"], 0.4)
    with av.open(str(folder / "videos/observation.images.main/chunk-000/file-000.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "gbrp"
        assert np.allclose([frame.time for frame in container.decode(stream)], np.arange(7) / 10)


def test_tasks_are_a_frame_whose_index_is_the_text(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    folder = export_lerobot(write(tmp_path / "first", noise_episode(0, 1)), tmp_path / "lerobot", progress=False)
    tasks = pandas.read_parquet(folder / "meta" / "tasks.parquet")
    assert tasks.iloc[0].name == "tiny" and list(tasks.columns) == ["task_index"]


def foreign(folder: Path, *episodes: Episode) -> Path:
    """An export without what only we write: as LeRobot's own datasets are, with an action for the last frame too."""
    export_lerobot(write(folder / "first", *episodes), folder / "lerobot", progress=False)
    (folder / "lerobot" / "meta" / "wm_gym.json").unlink()
    return folder / "lerobot"


def test_datasets_of_others_lose_their_last_action(tmp_path: Path) -> None:
    episode = noise_episode(1, 4)
    table = ActionTable.of(["go", "wait", "open the door"])
    report = bring(foreign(tmp_path, episode), tmp_path / "second", action_table=table)
    (found,) = list(report.dataset)
    assert np.array_equal(found.observations, episode.observations)
    assert found.actions == ("go", "wait", "open the door", "go")
    assert np.array_equal(found.rewards, episode.rewards)
    assert found.truncated[-1] and report.notes == {DROPPED: 1}
    assert found.info == {"task": "tiny"}
    assert report.dataset.manifest.render_fps == 10


def test_statistics_tell_the_range_of_numbers(tmp_path: Path) -> None:
    numbers = np.array([[0.5, 2], [-1, 3], [0, 4]], dtype=np.float32)
    episode = noise_episode(1, 3, actions=("",) * 3, controls=numbers)
    first = write(tmp_path / "first", episode, control_low=(-1.0, 0.0), control_high=(1.0, 5.0))
    folder = export_lerobot(first, tmp_path / "lerobot", progress=False)
    (folder / "meta" / "wm_gym.json").unlink()
    scanned = bring(folder, tmp_path / "scanned").dataset
    assert (scanned.manifest.control_low, scanned.manifest.control_high) == ((-1, 0), (0.5, 4))
    assert scanned[0].controls is not None and np.array_equal(scanned[0].controls, numbers)
    (folder / "meta" / "stats.json").write_text(json.dumps({"action": {"min": [-2, -2], "max": [9, 9]}}))
    told = bring(folder, tmp_path / "told").dataset.manifest
    assert (told.control_low, told.control_high) == ((-2, -2), (9, 9))


def test_pictures_in_parquet_are_read(tmp_path: Path) -> None:
    episode = noise_episode(1, 3)
    folder = foreign(tmp_path, episode)
    path = folder / "data" / "chunk-000" / "file-000.parquet"
    cells = []
    for frame in episode.observations[:, 0]:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, format="PNG")
        cells.append({"bytes": buffer.getvalue(), "path": None})
    pq.write_table(pq.read_table(path).append_column("observation.image", pa.array(cells)), path)
    info = json.loads((folder / "meta" / "info.json").read_text())
    info["features"]["observation.image"] = {"dtype": "image", "shape": [34, 50, 3], "names": None}
    (folder / "meta" / "info.json").write_text(json.dumps(info))
    table = ActionTable.of(["a", "b", "c"])
    with pytest.raises(ValueError, match="several: observation.images.main, observation.image; choose"):
        bring(folder, tmp_path / "none", action_table=table)
    dataset = bring(folder, tmp_path / "out", action_table=table, observation_key="observation.image").dataset
    assert np.array_equal(dataset[0].observations, episode.observations)


def test_cut_video_and_missing_rows_are_told(tmp_path: Path) -> None:
    folder = export_lerobot(
        write(tmp_path / "first", noise_episode(0, 2), noise_episode(1, 20)), tmp_path / "lerobot", progress=False
    )
    video = next(folder.rglob("*.mp4"))
    whole = video.read_bytes()
    video.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match="file-000.mp4 must"):
        bring(folder, tmp_path / "second")
    video.write_bytes(whole)
    data = next((folder / "data").rglob("*.parquet"))
    pq.write_table(pq.read_table(data).slice(0, 10), data)
    with pytest.raises(DatasetError, match="must hold 21 rows of .* episode 1, got 7"):
        bring(folder, tmp_path / "second")
    assert len(Dataset.open(tmp_path / "second")) == 1
    data.write_bytes(b"no parquet")
    with pytest.raises(DatasetError, match="file-000.parquet must be readable"):
        bring(folder, tmp_path / "third")


def test_what_is_no_lerobot_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"info.json must be a LeRobot dataset's"):
        LeRobotSource(str(tmp_path), ImportConfig())
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "info.json").write_text('{"codebase_version": "v2.1"}')
    with pytest.raises(DatasetError, match="must have codebase_version v3.0, got v2.1; convert it"):
        LeRobotSource(str(tmp_path), ImportConfig())


def test_export_refuses_what_would_overwrite_and_leaves_nothing(tmp_path: Path) -> None:
    dataset = write(tmp_path / "first", noise_episode(0, 1), noise_episode(1, 1))
    with pytest.raises(DatasetError, match="must be new"):
        export_lerobot(dataset, tmp_path, progress=False)
    with pytest.raises(ValueError, match="fps must be at least 1, got 0"):
        export_lerobot(dataset, tmp_path / "out", fps=0, progress=False)
    (tmp_path / "first" / "episodes" / "000001.npz").write_bytes(b"x")
    with pytest.raises(DatasetError, match="000001.npz"):
        export_lerobot(dataset, tmp_path / "out", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


def test_frames_are_found_by_their_second(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    writer = VideoWriter(tmp_path, "{chunk_index}-{file_index}.mp4", 30)
    assert writer.append(frames[:21]) == (0, 0, 21 / 30)
    assert writer.append(frames[21:]) == (0, 21 / 30, 40 / 30)
    writer.close()
    assert np.array_equal(read_frames(tmp_path / "0-0.mp4", 21 / 30, 19, 30.0), frames[21:])
    with pytest.raises(DatasetError, match="must hold 20 frames from second 0.7 on, got 19: it was cut"):
        read_frames(tmp_path / "0-0.mp4", 21 / 30, 20, 30.0)
