"""Datasets: what is written comes back, and what is broken says so."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.data.episodes import TEXTS, make_episode, make_manifest, write_dataset
from wm_gym.data.dataset import Dataset, DatasetError, DatasetWriter


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Three episodes of 5 steps; the second has a reward and the third is truncated."""
    episodes = (make_episode(0), make_episode(1, reward_step=2), make_episode(2, ends=False))
    return write_dataset(tmp_path / "tiny", *episodes)


def test_episodes_come_back(dataset: Dataset) -> None:
    assert list(dataset) == [make_episode(0), make_episode(1, reward_step=2), make_episode(2, ends=False)]


def test_index_counts_from_the_end_and_stops(dataset: Dataset) -> None:
    assert dataset[-1] == make_episode(2, ends=False)
    with pytest.raises(IndexError):
        dataset[3]


def test_manifest_comes_back(dataset: Dataset) -> None:
    assert dataset.manifest == make_manifest()


def test_action_texts_are_distinct_and_sorted(dataset: Dataset) -> None:
    assert dataset.action_texts == tuple(sorted(TEXTS))


def test_summary_counts(dataset: Dataset) -> None:
    summary = dataset.summary()
    assert (summary.num_episodes, summary.num_steps, summary.num_terminated, summary.num_truncated) == (3, 15, 2, 1)
    assert (summary.num_events, summary.action_counts) == (3, {TEXTS[0]: 6, TEXTS[1]: 6, TEXTS[2]: 3})


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere, which is none; record one"):
        Dataset.open(tmp_path / "nowhere")


def test_folder_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"manifest\.json must exist, got no file; name a dataset's folder"):
        Dataset.open(tmp_path)


def test_dataset_without_episodes(tmp_path: Path) -> None:
    DatasetWriter.open(tmp_path, make_manifest()).close()
    with pytest.raises(DatasetError, match=r"episodes\.jsonl must list at least 1 episode, got 0; run the same"):
        Dataset.open(tmp_path)


def test_manifest_cut_mid_write(dataset: Dataset) -> None:
    path = dataset.folder / "manifest.json"
    path.write_text(path.read_text()[:40])
    with pytest.raises(
        DatasetError, match=r"manifest\.json must be a dataset's manifest: .*restore it or record again"
    ):
        Dataset.open(dataset.folder)


def test_index_cut_mid_line(dataset: Dataset) -> None:
    path = dataset.folder / "episodes.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DatasetError, match=r"episodes\.jsonl must end with a whole line.*run the same recording again"):
        Dataset.open(dataset.folder)


def test_index_with_a_broken_line(dataset: Dataset) -> None:
    path = dataset.folder / "episodes.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"\xff\x00\n" + lines[2])
    with pytest.raises(DatasetError, match=r"episodes\.jsonl line 2: .*restore it"):
        Dataset.open(dataset.folder)


def test_index_that_lost_lines_is_not_taken_for_a_short_dataset(dataset: Dataset) -> None:
    path = dataset.folder / "episodes.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(DatasetError, match=r"got 1 lines without 000002\.npz: it lost lines"):
        Dataset.open(dataset.folder)
    with pytest.raises(DatasetError, match="it lost lines"):
        DatasetWriter.open(dataset.folder, make_manifest())


def test_missing_episode_is_found_on_open(dataset: Dataset) -> None:
    (dataset.folder / "episodes" / "000001.npz").unlink()
    with pytest.raises(DatasetError, match=r"000001\.npz must be \d+ bytes, got no file; restore it or record again"):
        Dataset.open(dataset.folder)


def test_cut_episode_is_found_on_open(dataset: Dataset) -> None:
    path = dataset.folder / "episodes" / "000002.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"000002\.npz must be \d+ bytes, got \d+ bytes: it was cut"):
        Dataset.open(dataset.folder)


def test_flipped_bit_is_found_on_reading(dataset: Dataset) -> None:
    path = dataset.folder / "episodes" / "000001.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"000001\.npz must be .* it is corrupt; restore it or record again"):
        Dataset.open(dataset.folder)[1]


@pytest.mark.parametrize("change", [{"num_steps": 10**6}, {"event_steps": [99]}, {"action_counts": {"fly": 5}}])
def test_index_that_describes_another_episode_is_found_on_reading(dataset: Dataset, change: dict[str, Any]) -> None:
    edit_index(dataset, change)
    with pytest.raises(DatasetError, match=r"episodes\.jsonl must describe episodes/000000\.npz as it is; restore it"):
        Dataset.open(dataset.folder)[0]


@pytest.mark.parametrize("change", [{"file": 3}, {"crc32": None}, {"num_steps": "5"}, {"action_counts": [1]}])
def test_index_with_values_of_another_kind(dataset: Dataset, change: dict[str, Any]) -> None:
    edit_index(dataset, change)
    with pytest.raises(DatasetError, match=r"episodes\.jsonl line 1: an index line must be an episode's entry"):
        Dataset.open(dataset.folder)


@pytest.mark.parametrize("change", [{"chunk_frames": "1"}, {"frame_size": [4, 0]}, {"world": None}, {"key_map": []}])
def test_manifest_with_values_of_another_kind(dataset: Dataset, change: dict[str, Any]) -> None:
    path = dataset.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DatasetError, match=f"must be a dataset's manifest: .*{next(iter(change))}"):
        Dataset.open(dataset.folder)


def test_manifest_with_another_frame_size_is_found_on_reading(dataset: Dataset) -> None:
    path = dataset.folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"frame_size": [64, 64]}))
    with pytest.raises(DatasetError, match=r"manifest\.json must have the frames of episodes/000000\.npz"):
        Dataset.open(dataset.folder)[0]


def edit_index(dataset: Dataset, change: dict[str, Any]) -> None:
    """Changes values of the first episode's line."""
    path = dataset.folder / "episodes.jsonl"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps(json.loads(first) | change), *others]) + "\n")


def test_episode_lost_after_open(dataset: Dataset) -> None:
    shutil.rmtree(dataset.folder / "episodes")
    with pytest.raises(DatasetError, match=r"000000\.npz must be readable, got No such file"):
        dataset[0]


def test_unlisted_last_episode_is_ignored_by_readers_and_dropped_by_writers(dataset: Dataset) -> None:
    orphan = dataset.folder / "episodes" / "000003.npz"
    orphan.write_bytes(b"half an episode")
    assert len(Dataset.open(dataset.folder)) == 3
    DatasetWriter.open(dataset.folder, make_manifest()).close()
    assert not orphan.exists()


def test_writer_drops_a_temporary_file(dataset: Dataset) -> None:
    temporary = dataset.folder / "episodes" / "000003.npz.tmp"
    temporary.write_bytes(b"half an episode")
    DatasetWriter.open(dataset.folder, make_manifest()).close()
    assert not temporary.exists()


def test_writer_drops_a_torn_line_and_writes_that_episode_again(dataset: Dataset) -> None:
    path = dataset.folder / "episodes.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    again = write_dataset(dataset.folder, make_episode(2, ends=False))
    assert path.read_bytes() == whole and len(again) == 3


def test_resume_with_another_manifest_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="there seed is 0, not 7; resume with the same arguments"):
        DatasetWriter.open(dataset.folder, make_manifest(seed=7))


def test_episodes_without_a_manifest_are_not_overwritten(dataset: Dataset) -> None:
    (dataset.folder / "manifest.json").unlink()
    with pytest.raises(DatasetError, match="must exist beside episodes"):
        DatasetWriter.open(dataset.folder, make_manifest())


def test_second_writer_is_refused(dataset: Dataset) -> None:
    pytest.importorskip("fcntl")
    with DatasetWriter.open(dataset.folder, make_manifest()):
        with pytest.raises(DatasetError, match="one writer at a time"):
            DatasetWriter.open(dataset.folder, make_manifest())


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    with DatasetWriter.open(tmp_path, replace(make_manifest(), frame_size=(4, 4))) as writer:
        with pytest.raises(ValueError, match=r"\(2, 4, 4, 3\).* got \(6, 2, 4, 6, 3\)"):
            writer.append(make_episode(0))


def test_output_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(DatasetError, match="taken must be writable, got Not a directory; .*another folder"):
        DatasetWriter.open(tmp_path / "taken", make_manifest())
