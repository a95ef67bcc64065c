"""Recording from Gymnasium envs; a recording killed at any moment resumes to the same files."""

import random
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.production import unchecked
from wm_gym.data.dataset import Dataset, DatasetError
from wm_gym.data.recording import ActionTexts, random_policy, record

LAKE_TEXTS = {0: "left", 1: "down", 2: ("right", "go right"), 3: "up"}
_RECORD = """
import sys, gymnasium as gym
from tests.data.test_recording import LAKE_TEXTS, record_lake
env = gym.make("FrozenLake-v1", render_mode="rgb_array")
record_lake(env, sys.argv[1])
"""


class Corridor(gym.Env[np.ndarray[Any, Any], str]):
    """A twin in small: texts in, chunks of 2 frames out, the position is the red channel; the right end is the goal."""

    metadata = {"render_modes": [], "render_fps": 5}
    world = "corridor"
    chunk_frames = 2
    action_phrases = {"right": ("right", "go right"), "wait": ("wait", "")}
    key_map = {"right": "right"}

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(0, 255, (2, 4, 4, 3), np.uint8)
        self.action_space = gym.spaces.Text(min_length=0, max_length=16, charset="abcdefghijklmnopqrstuvwxyz ")
        self._buffer = np.zeros((2, 4, 4, 3), dtype=np.uint8)  # reused: the recording must copy

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._buffer[..., 0] = self.np_random.integers(3)
        return self._buffer, {"layout": "straight", "count": 1}

    def step(self, action: str) -> Any:
        self._buffer[..., 0] += action in self.action_phrases["right"]
        at_goal = bool(self._buffer[0, 0, 0, 0] >= 5)
        return self._buffer, float(at_goal), at_goal, False, {}


def record_lake(env: Any, output: Any, num_episodes: int = 30, **arguments: Any) -> Dataset:
    """Records tiny FrozenLake episodes."""
    settings: dict[str, Any] = {"seed": 5, "max_steps": 6, "frame_size": (16, 16), "action_texts": LAKE_TEXTS}
    settings |= arguments
    return record(env, random_policy, output=output, num_episodes=num_episodes, progress=False, **settings)


@pytest.fixture(scope="module")
def lake() -> Iterator[Any]:
    env = gym.make("FrozenLake-v1", render_mode="rgb_array")
    yield env
    env.close()


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("**/*.*")}


def test_recording_killed_at_random_moments_resumes_to_the_same_files(tmp_path: Path, lake: Any) -> None:
    rng = random.Random(0)
    index = tmp_path / "killed" / "episodes.jsonl"
    size = 0
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", _RECORD, str(tmp_path / "killed")], cwd=Path(__file__).parents[2]
        )
        while process.poll() is None and (not index.exists() or index.stat().st_size <= size):
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.04))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert index.stat().st_size > size  # nothing that was recorded is lost, and each run goes on
        size = index.stat().st_size
        if process.returncode == 0:  # it was faster than the signal
            break
    record_lake(lake, tmp_path / "killed")
    record_lake(lake, tmp_path / "whole")
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def test_recording_resumes_in_process_and_can_grow(tmp_path: Path, lake: Any) -> None:
    record_lake(lake, tmp_path / "grown", 2)
    assert len(record_lake(lake, tmp_path / "grown", 4)) == 4
    record_lake(lake, tmp_path / "whole", 4)
    assert _files(tmp_path / "grown") == _files(tmp_path / "whole")


def test_finished_recording_is_left_as_it_is(tmp_path: Path, lake: Any) -> None:
    record_lake(lake, tmp_path, 2)
    before = _files(tmp_path)
    assert len(record_lake(lake, tmp_path, 1)) == 2
    assert _files(tmp_path) == before


def test_resuming_with_another_seed_is_refused(tmp_path: Path, lake: Any) -> None:
    record_lake(lake, tmp_path, 1)
    with pytest.raises(DatasetError, match="seed is 5, not 6"):
        record_lake(lake, tmp_path, 2, seed=6)


def test_rendered_frames_are_lossless_and_follow_the_actions(tmp_path: Path, lake: Any) -> None:
    episode = record_lake(lake, tmp_path, 1, frame_size=None)[0]
    indices = {"left": 0, "down": 1, "right": 2, "go right": 2, "up": 3}
    lake.reset(seed=5)
    assert np.array_equal(episode.observations[0, 0], lake.render())
    for step, action in enumerate(episode.actions):
        reward, terminated = lake.step(indices[action])[1:3]
        assert np.array_equal(episode.observations[step + 1, 0], lake.render())
        assert (episode.rewards[step], episode.terminated[step]) == (reward, terminated)


def test_frame_size_resizes(tmp_path: Path, lake: Any) -> None:
    assert record_lake(lake, tmp_path, 1)[0].observations.shape[1:] == (1, 16, 16, 3)


def test_phrasings_of_one_action_are_all_used(tmp_path: Path, lake: Any) -> None:
    assert record_lake(lake, tmp_path, 12).action_texts == ("down", "go right", "left", "right", "up")


def test_max_steps_truncates(tmp_path: Path, lake: Any) -> None:
    for episode in record_lake(lake, tmp_path, 8, max_steps=2):
        assert episode.num_steps <= 2
        assert episode.terminated[-1] != episode.truncated[-1]


def test_text_env_gives_its_own_observations_texts_and_facts(tmp_path: Path) -> None:
    dataset = record(Corridor(), random_policy, output=tmp_path, num_episodes=5, progress=False)
    manifest = dataset.manifest
    assert (manifest.world, manifest.frame_size, manifest.chunk_frames) == ("corridor", (4, 4), 2)
    assert (manifest.action_phrases, manifest.key_map) == (Corridor.action_phrases, Corridor.key_map)
    for episode in dataset:
        moves = [action in ("right", "go right") for action in episode.actions]
        reds = episode.observations[:, 0, 0, 0, 0].astype(int)
        assert np.diff(reds).tolist() == moves  # also: no two observations share the env's buffer
        assert (reds[-1], episode.rewards[-1], bool(episode.terminated[-1])) == (5, 1.0, True)
        assert episode.info == {"layout": "straight"}


def test_episode_i_has_the_seed_plus_i(tmp_path: Path) -> None:
    dataset = record(Corridor(), random_policy, output=tmp_path, num_episodes=3, seed=40, progress=False)
    assert [entry.seed for entry in dataset.entries] == [40, 41, 42]


def test_box_actions_are_recorded_through_values(tmp_path: Path) -> None:
    env = gym.make("MountainCarContinuous-v0", render_mode="rgb_array")
    dataset = record(
        env,
        lambda env, rng: lambda observation: int(rng.integers(2)),
        output=tmp_path,
        num_episodes=1,
        max_steps=4,
        action_texts={0: "push left", 1: "push right"},
        action_values=[[-1.0], [1.0]],
        frame_size=(8, 12),
        progress=False,
    )
    env.close()
    assert set(dataset.action_texts) <= {"push left", "push right"} and dataset.num_steps == 4


def test_random_policy_draws_from_the_table_of_box_actions(tmp_path: Path) -> None:
    env = gym.make("MountainCarContinuous-v0", render_mode="rgb_array")
    dataset = record(
        env,
        random_policy,
        output=tmp_path,
        num_episodes=1,
        max_steps=30,
        action_texts={0: "push left", 1: "wait", 2: "push right"},
        action_values=[[-1.0], [0.0], [1.0]],
        frame_size=(8, 12),
        progress=False,
    )
    env.close()
    assert dataset.action_texts == ("push left", "push right", "wait")


def test_env_without_frames_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="render_mode None; pass render_mode='rgb_array' to gym.make"):
        record_lake(gym.make("FrozenLake-v1"), tmp_path)


def test_action_without_a_text_is_refused_before_recording(tmp_path: Path, lake: Any) -> None:
    with pytest.raises(ValueError, match=r"no text for \[1, 3\]"):
        record_lake(lake, tmp_path / "none", action_texts={0: "left", 2: "right"})
    assert not (tmp_path / "none").exists()


def test_box_actions_without_values_are_refused(tmp_path: Path) -> None:
    env = gym.make("MountainCarContinuous-v0", render_mode="rgb_array")
    with pytest.raises(ValueError, match="action_values must list the actions"):
        record_lake(env, tmp_path)


@pytest.mark.parametrize("values", [[[-1.0], [2.0]], [[-1.0, 0.0], [1.0, 0.0]]])
def test_values_outside_the_action_space_are_refused(tmp_path: Path, values: list[list[float]]) -> None:
    env = gym.make("MountainCarContinuous-v0", render_mode="rgb_array")
    with pytest.raises(ValueError, match="action_values must be actions of Box"):
        record_lake(env, tmp_path, action_texts={0: "left", 1: "right"}, action_values=values)


def test_values_for_discrete_actions_are_refused(tmp_path: Path, lake: Any) -> None:
    with pytest.raises(ValueError, match="action_values must be None for an env with Discrete"):
        record_lake(lake, tmp_path, action_values=[[0.0], [1.0], [2.0], [3.0]])


def test_texts_for_a_text_env_are_refused() -> None:
    with pytest.raises(ValueError, match="must be None for an env whose actions are texts"):
        ActionTexts.of(Corridor(), {0: "right"}, None)


@pytest.mark.parametrize("action", [4, -1])
def test_unknown_action_of_a_policy_is_named(lake: Any, action: int) -> None:
    texts = ActionTexts.of(lake, LAKE_TEXTS, None)
    with pytest.raises(ValueError, match=f"action must be one of .* got {action}"):
        texts.translate(action, np.random.default_rng(0))


@pytest.mark.parametrize("numbers", [{"num_episodes": 0}, {"seed": -1}, {"max_steps": 0}])
def test_number_out_of_range_is_named(tmp_path: Path, lake: Any, numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(numbers))} must be at least"):
        record_lake(lake, tmp_path, **{"num_episodes": 1, **numbers})


@pytest.mark.parametrize("text", ["влево", "a" * 257, 3, None])
def test_text_that_a_learned_world_would_refuse_is_refused(tmp_path: Path, lake: Any, text: Any) -> None:
    texts = {0: ["left", text], 1: "down", 2: "right", 3: "up"}
    with unchecked(), pytest.raises(ValueError, match="action_texts must be printable ASCII .*256 characters, got"):
        record_lake(lake, tmp_path / "none", action_texts=texts)
    assert not (tmp_path / "none").exists()


def test_empty_frames_are_refused(tmp_path: Path, lake: Any) -> None:
    with pytest.raises(ValueError, match=r"frame_size must be at least 1 pixel in height and width, got \(0, 16\)"):
        record_lake(lake, tmp_path / "none", frame_size=(0, 16))


def test_what_happens_beside_actions_is_recorded(tmp_path: Path) -> None:
    class Rainy(Corridor):
        """A corridor in which it rains at every second step."""

        def step(self, action: str) -> Any:
            *rest, info = super().step(action)
            self.age = getattr(self, "age", 0) + 1
            return *rest, {**info, **({"event": "it rains"} if self.age % 2 else {})}

    (episode,) = record(Rainy(), random_policy, output=tmp_path / "rainy", num_episodes=1, progress=False)
    assert episode.world_events == tuple("" if step % 2 else "it rains" for step in range(episode.num_steps))
    (dry,) = record(Corridor(), random_policy, output=tmp_path / "dry", num_episodes=1, progress=False)
    assert dry.world_events == ()


@pytest.mark.parametrize("event", [None, 7, {"key": "left"}, np.zeros(2), "\u00fc", "x" * 257])
def test_an_event_that_no_world_takes_is_left_out(tmp_path: Path, event: object) -> None:
    class Strange(Corridor):
        """A corridor whose infos have an event of another kind."""

        def step(self, action: str) -> Any:
            *rest, info = super().step(action)
            return *rest, {**info, "event": event}

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        (episode,) = record(Strange(), random_policy, output=tmp_path, num_episodes=1, progress=False)
    assert episode.world_events == ()
    assert any("to be recorded" in str(each.message) for each in told) == (event is not None)
