"""Where episodes begin when the user says: recordings, arrays, sequences that change, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.production import unchecked
from tests.worlds import FRAME_SIZE, Slide
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import random_policy, record
from wm_gym.discrete_env import DiscreteWorldModelEnv
from wm_gym.env import WorldModelEnv
from wm_gym.starts import RecordedStarts


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("slides")
    return record(Slide(), random_policy, output=folder, num_episodes=3, max_steps=5, progress=False)


def shade(value: int) -> np.ndarray:
    return np.full((*FRAME_SIZE, 3), value, np.uint8)


def test_a_recording_gives_every_observation_but_the_last_of_each_episode(recording: Dataset) -> None:
    starts = RecordedStarts(recording, most_frames=2)
    expected = [episode.observations[:-1] for episode in recording]
    assert len(starts) == sum(map(len, expected))
    found = [starts[index] for index in range(len(starts))]
    np.testing.assert_array_equal([clip[-1] for clip in found], np.concatenate(expected)[:, 0])
    firsts = np.cumsum([0, *map(len, expected)])[:-1]
    assert [len(clip) for clip in found] == [1 if index in firsts else 2 for index in range(len(found))]
    second = found[int(firsts[1]) + 1]
    np.testing.assert_array_equal(second[0], expected[1][0, 0])


@pytest.mark.parametrize("index", [-1, 10**6])
def test_a_recording_ends(recording: Dataset, index: int) -> None:
    with pytest.raises(IndexError, match="index must be from 0 to"):
        RecordedStarts(recording, most_frames=1)[index]


@pytest.mark.parametrize("kind", [Path, str])
def test_an_env_begins_anywhere_in_a_recording(checkpoint: Path, recording: Dataset, kind: Any) -> None:
    env = WorldModelEnv(checkpoint=checkpoint, starts=kind(recording.folder))
    starts = RecordedStarts(recording, most_frames=1)
    indices = set()
    for seed in range(30):
        observation, info = env.reset(seed=seed)
        np.testing.assert_array_equal(observation, starts[info["index"]])
        indices.add(info["index"])
    assert len(indices) > len(recording)
    assert env.reset(options={"index": 1})[1] == {"start": "index", "index": 1}


def test_an_env_begins_at_pictures_of_the_users(checkpoint: Path) -> None:
    env = DiscreteWorldModelEnv(checkpoint=checkpoint, starts=np.stack([shade(30), shade(70)]))
    assert {int(env.reset(seed=seed)[0].max()) for seed in range(12)} == {30, 70}


def test_a_sequence_may_change_between_resets(checkpoint: Path) -> None:
    starts = [shade(30)]
    env = WorldModelEnv(checkpoint=checkpoint, starts=starts)
    assert int(env.reset(seed=0)[0].max()) == 30
    starts[:] = [shade(70), shade(70)]
    assert int(env.reset(seed=0)[0].max()) == 70
    starts[:] = [shade(70)[:8]]
    with pytest.raises(ValueError, match=r"starts\[0\]: frames must have the shape"):
        env.reset(seed=0)
    starts.clear()
    with pytest.raises(ValueError, match="starts must be at least one at a reset, got none left"):
        env.reset(seed=0)


BAD_STARTS: dict[str, tuple[Any, str]] = {
    "no folder": ("nowhere", "dataset must be a folder, got nowhere"),
    "none": ([], "starts must be at least one, got none"),
    "a number": (3, "starts must be a recording's folder or a sequence of images, got int"),
    "a number in an array": (np.array(3), "starts must be a recording's folder or a sequence of images, got ndarray"),
    "a table": ({0: shade(3)}, "starts must be a recording's folder or a sequence of images, got dict"),
    "one picture": (shade(3), r"starts\[0\]: frames must have the shape .*got \(32, 3\)"),
    "another size": ([shade(3)[:8]], r"starts\[0\]: frames must have the shape .*got \(8, 32, 3\); resize"),
}


@pytest.mark.parametrize("case", BAD_STARTS)
def test_bad_starts_are_one_clear_error(checkpoint: Path, case: str) -> None:
    starts, message = BAD_STARTS[case]
    with unchecked(), pytest.raises(ValueError, match=message):
        WorldModelEnv(checkpoint=checkpoint, starts=starts)


def test_a_recording_of_another_world_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    env = Slide()
    env.world = "glide"
    recorded = record(env, random_policy, output=tmp_path / "other", num_episodes=1, max_steps=2, progress=False)
    with pytest.raises(ValueError, match="starts must be a recording of 'slide', got one of 'glide'"):
        WorldModelEnv(checkpoint=checkpoint, starts=recorded.folder)
