"""A Minari dataset recorded out of a dream, read back bit for bit."""

import gc
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import wm_gym
from tests.endless_worlds import TEXTS

minari = pytest.importorskip("minari")
assert wm_gym  # registers the ids

NUM_STEPS = 3


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # Minari's own folder
@pytest.mark.parametrize("kind", ["", "Discrete"])
def test_what_was_dreamed_is_read_back(
    checkpoint: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    dream = gym.make(f"wm_gym/World{kind}-v0", checkpoint=str(checkpoint), max_episode_steps=NUM_STEPS)
    env = minari.DataCollector(dream, record_infos=False, jpeg_encoding=False)  # pixels as they were
    lives = [live(env, [0, 1, 2] if kind else TEXTS[:NUM_STEPS], seed) for seed in (0, 1)]
    env.create_dataset(
        dataset_id="dream/tiny-v0",
        eval_env=dream.spec,
        algorithm_name="written down",
        author="a test",
        author_email="test@example.com",
        code_permalink="https://example.com",
        description="out of a dream",
    )
    env.close()
    del env
    gc.collect()  # Minari warns here, where the filter holds
    episodes = list(minari.load_dataset("dream/tiny-v0"))
    assert len(episodes) == 2
    for episode, (observations, actions, rewards) in zip(episodes, lives, strict=True):
        assert episode.observations.dtype == np.uint8
        np.testing.assert_array_equal(episode.observations, observations)
        assert list(episode.actions) == actions
        np.testing.assert_allclose(episode.rewards, rewards)
        assert list(episode.truncations) == [False, False, True]


def live(env: gym.Env[Any, Any], actions: list[Any], seed: int) -> tuple[Any, list[Any], list[float]]:
    """An episode: observations, actions and rewards."""
    observations, rewards = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, reward, *_ = env.step(action)
        observations.append(observation)
        rewards.append(float(reward))
    return np.stack(observations), actions, rewards
