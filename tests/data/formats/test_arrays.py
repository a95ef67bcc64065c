"""NumPy and HDF5 files in: an episode a file or group, flat arrays, and the names that are in use."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wm_gym.data.dataset import Dataset, DatasetError
from wm_gym.data.formats.action_table import ActionTable
from wm_gym.data.formats.arrays_files import Kind, natural
from wm_gym.data.formats.arrays_source import ArraysSource
from wm_gym.data.formats.assemble import DROPPED, REPEATED, UNFLAGGED
from wm_gym.data.formats.source import ImportConfig, ImportReport, import_episodes

h5py = pytest.importorskip("h5py")
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 32, 36, 3), dtype=np.uint8)


def bring(kind: Kind, place: Path, output: Path, **options: Any) -> ImportReport:
    return import_episodes(ArraysSource(kind, str(place), ImportConfig(**options)), output, progress=False)


def rows(num_steps: int, first: int = 0) -> dict[str, Any]:
    """An episode's arrays: T+1 pictures, T texts."""
    return {
        "observations": PIXELS[first : first + num_steps + 1],
        "actions": np.array([("go", "wait")[step % 2] for step in range(num_steps)]),
        "rewards": np.arange(num_steps, dtype=np.float32),
        "terminated": np.arange(num_steps) == num_steps - 1,
    }


def check_episode(dataset: Dataset, index: int, num_steps: int, first: int = 0) -> None:
    episode = dataset[index]
    assert np.array_equal(episode.observations[:, 0], PIXELS[first : first + num_steps + 1])
    assert episode.actions == tuple(rows(num_steps)["actions"])
    assert episode.rewards.tolist() == list(range(num_steps))
    assert episode.terminated[-1] and not episode.truncated.any()


def test_npz_files_are_episodes_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2):
        np.savez(tmp_path / f"ep{number}.npz", **rows(3, number % 4), seed=number)
    report = bring("numpy", tmp_path, tmp_path / "out")
    check_episode(report.dataset, 0, 3, 2)
    check_episode(report.dataset, 1, 3, 2)
    assert [episode.seed for episode in report.dataset] == [2, 10]
    assert (report.num_new, report.notes) == (2, {})
    assert natural("ep2") < natural("ep10")


def test_folders_of_npy_files_are_episodes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for key, array in rows(4).items():
            np.save(tmp_path / "in" / name / f"{key}.npy", array)
    report = bring("numpy", tmp_path / "in", tmp_path / "out")
    assert len(report.dataset) == 2
    check_episode(report.dataset, 1, 4)


def test_hdf5_groups_are_episodes(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "demos.hdf5", "w") as file:  # as robomimic writes
        for number, num_steps in ((0, 2), (10, 4), (9, 3)):
            group = file.create_group(f"data/demo_{number}")
            values = rows(num_steps)
            group["obs/agentview_image"] = values["observations"]
            group["obs/joints"] = np.zeros((num_steps + 1, 7))
            group["actions"] = [text.encode() for text in values["actions"]]
            group["rewards"] = values["rewards"]
            group["dones"] = values["terminated"].astype(np.int64)
    report = bring("hdf5", tmp_path / "demos.hdf5", tmp_path / "out")
    assert [episode.num_steps for episode in report.dataset] == [2, 3, 4]
    check_episode(report.dataset, 1, 3)
    assert report.dataset.manifest.world == "demos"


def test_flat_arrays_are_cut_at_their_flags(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "flat.h5", "w") as file:  # as D4RL writes
        file["observations"] = np.moveaxis(PIXELS, -1, 1)
        file["actions"] = np.arange(12) % 2
        file["rewards"] = np.arange(12, dtype=np.float32)
        file["terminals"] = np.arange(12) == 4
        file["timeouts"] = np.arange(12) == 9
    table = ActionTable.of(["go", "wait"])
    report = bring("hdf5", tmp_path / "flat.h5", tmp_path / "out", action_table=table)
    assert [episode.num_steps for episode in report.dataset] == [4, 4, 1]  # what followed their last rows is unknown
    assert report.notes == {DROPPED: 3}
    second = report.dataset[1]
    assert np.array_equal(second.observations[:, 0], PIXELS[5:10])
    assert second.actions == ("wait", "go", "wait", "go") and second.rewards.tolist() == [5, 6, 7, 8]
    assert second.truncated[-1] and not second.terminated.any()
    kept = bring("hdf5", tmp_path / "flat.h5", tmp_path / "kept", action_table=table, last_action="repeat")
    assert [episode.num_steps for episode in kept.dataset] == [5, 5, 2]
    assert kept.notes == {REPEATED: 3, UNFLAGGED: 1}
    assert kept.dataset[0].terminated[-1] and kept.dataset[1].truncated[-1]
    assert np.array_equal(kept.dataset[0].observations[5, 0], PIXELS[4])


def test_dreamers_actions_lead_to_the_observation_of_their_row(tmp_path: Path) -> None:
    is_first = np.arange(8) == 0
    np.savez(
        tmp_path / "a.npz",
        image=PIXELS[:8],
        action=np.linspace(-1, 1, 16, dtype=np.float32).reshape(8, 2),
        reward=np.arange(8, dtype=np.float32),
        is_first=is_first,
        is_last=np.arange(8) == 7,
        is_terminal=np.arange(8) == 7,
    )
    dataset = bring("numpy", tmp_path / "a.npz", tmp_path / "out").dataset
    episode = dataset[0]
    assert np.array_equal(episode.observations[:, 0], PIXELS[:8])
    assert episode.rewards.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert episode.controls is not None and len(episode.controls) == 7
    assert episode.terminated.tolist() == [False] * 6 + [True] and not episode.truncated.any()
    assert dataset.manifest.control_high == (float(np.float32(14 * 2 / 15 - 1)), 1.0)


def test_one_of_several_cameras_is_chosen(tmp_path: Path) -> None:
    values = rows(3)
    np.savez(tmp_path / "a.npz", **values, wrist=255 - values["observations"])
    with pytest.raises(ValueError, match="got several: observations, wrist; choose with --observation-key"):
        bring("numpy", tmp_path / "a.npz", tmp_path / "none")
    dataset = bring("numpy", tmp_path / "a.npz", tmp_path / "out", observation_key="wrist", frame_size=(16, 18)).dataset
    assert dataset.manifest.frame_size == (16, 18)
    with pytest.raises(ValueError, match="observation_key must be one of"):
        bring("numpy", tmp_path / "a.npz", tmp_path / "none2", observation_key="top")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"actions": np.arange(3)}, "are indices .* --action-texts"),
        ({"rewards": np.array([0, np.inf, 0], np.float32)}, "rewards must be finite, got inf at step 1"),
        ({"rewards": np.zeros(2, np.float32)}, "rewards must be one a step, 3, got 2"),
        ({"observations": PIXELS[:7]}, "observations must be as many as the 3 actions or one more, got 7"),
        ({"observations": PIXELS[:4].astype(np.float32)}, "must have one kind of pictures, got none"),
        ({"actions": np.full((3, 2), np.nan)}, "actions must be finite"),
        ({"actions": np.empty(0, "U2")}, "must hold at least 1"),
    ],
)
def test_arrays_that_do_not_go_together_are_told_with_their_file(tmp_path: Path, change: Any, match: str) -> None:
    np.savez(tmp_path / "bad.npz", **(rows(3) | change))
    with pytest.raises(ValueError, match=match) as caught:
        bring("numpy", tmp_path / "bad.npz", tmp_path / "out")
    assert "bad.npz" in str(caught.value)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_corrupt_file_keeps_what_was_read_and_import_goes_on(tmp_path: Path, damage: str) -> None:
    (tmp_path / "in").mkdir()
    for number in range(3):
        np.savez(tmp_path / "in" / f"{number}.npz", **rows(3, number))
    middle = tmp_path / "in" / "1.npz"
    whole = middle.read_bytes()
    half = len(whole) // 2
    middle.write_bytes(whole[:half] if damage == "cut" else whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :])
    with pytest.raises(DatasetError, match="1.npz must be readable"):
        bring("numpy", tmp_path / "in", tmp_path / "out")
    middle.write_bytes(whole)
    report = bring("numpy", tmp_path / "in", tmp_path / "out")
    assert report.num_new == 2
    for number in range(3):
        check_episode(report.dataset, number, 3, number)


def test_places_without_episodes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="must be or hold .hdf5"):
        ArraysSource("hdf5", str(tmp_path), ImportConfig())
    np.savez(tmp_path / "a.npz", pictures=PIXELS)
    with pytest.raises(DatasetError, match="must hold actions or action or texts, got pictures"):
        bring("numpy", tmp_path, tmp_path / "out")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pictures"] = PIXELS
    with pytest.raises(DatasetError, match="a.h5 must hold actions or action or texts, got none"):
        bring("hdf5", tmp_path, tmp_path / "out")
    (tmp_path / "b.h5").write_bytes(b"no HDF5")
    with pytest.raises(DatasetError, match="b.h5 must be readable"):
        bring("hdf5", tmp_path / "b.h5", tmp_path / "out")
