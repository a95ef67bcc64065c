"""Gymnasium's own wrappers and filming around a dreamed world."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import pytest
from gymnasium.wrappers import FrameStackObservation, RecordEpisodeStatistics, RecordVideo

import wm_gym
from tests.endless_worlds import TEXTS
from tests.worlds import FRAME_SIZE

assert wm_gym  # registers the ids

NUM_STEPS = 4


def make(checkpoint: Path, kind: str = "") -> gym.Env[Any, Any]:
    """A dream that ends after a few steps."""
    return gym.make(
        f"wm_gym/World{kind}-v0", checkpoint=checkpoint, render_mode="rgb_array", max_episode_steps=NUM_STEPS
    )


def play(env: gym.Env[Any, Any]) -> list[Any]:
    """Every answer of an episode."""
    env.reset(seed=0)
    return [env.step(text) for text in TEXTS[:NUM_STEPS]]


def test_episode_statistics_sum_the_rewards_and_count_the_steps(checkpoint: Path) -> None:
    steps = play(RecordEpisodeStatistics(make(checkpoint)))
    assert [("episode" in info) for *_, info in steps] == [False, False, False, True]
    episode = steps[-1][-1]["episode"]
    assert (episode["l"], episode["r"]) == (NUM_STEPS, pytest.approx(sum(step[1] for step in steps)))


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # moviepy leaves its pipes to ffmpeg open
def test_a_video_has_the_start_and_a_frame_a_step(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("moviepy", reason="RecordVideo writes its films with moviepy")
    env: Any = RecordVideo(
        make(checkpoint), str(tmp_path / "films"), episode_trigger=lambda episode: True, disable_logger=True
    )
    seen = [env.reset(seed=0)[0][-1], *(env.step(text)[0][-1] for text in TEXTS[:NUM_STEPS])]
    env.close()
    (film,) = (tmp_path / "films").glob("*.mp4")
    frames = imageio.imread(film)
    assert frames.shape == (NUM_STEPS + 1, *FRAME_SIZE, 3)
    distances = np.abs(frames[:, None].astype(int) - np.stack(seen)[None]).mean(axis=(2, 3, 4))
    assert distances.argmin(axis=1).tolist() == list(range(NUM_STEPS + 1))  # H.264 is lossy, the order is not


def test_frames_stack(checkpoint: Path) -> None:
    env = FrameStackObservation(make(checkpoint, "Discrete"), 3)
    first, _ = env.reset(seed=0)
    second, *_ = env.step(0)
    assert first.shape == (3, *FRAME_SIZE, 3)
    np.testing.assert_array_equal(second[:2], first[1:])
