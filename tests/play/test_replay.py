"""Recorded episodes beside the dream: the same frames, the same actions, undo too."""

from pathlib import Path

import numpy as np
import pytest

from tests.play.worlds import Ledger, SavedLedger
from wm_gym.data.dataset import Dataset
from wm_gym.data.recording import random_policy, record
from wm_gym.play.replay import RecordedEnv, recorded_pilot
from wm_gym.play.request import Request
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return record(Ledger(), random_policy, output=tmp_path, num_episodes=2, max_steps=6, progress=False)


def test_a_replay_shows_what_was_recorded_beside_the_dream_of_it(dataset: Dataset) -> None:
    stage = Stage(SavedLedger(), twin=TwinMaker(make=lambda: RecordedEnv(dataset), name="recorded"))
    session = Session(stage, seed=1, pilot=recorded_pilot())
    scenes = [session.apply(Request("view", "both")), *(session.apply(Request("drive")) for _ in range(6))]
    episode = dataset[1]
    dream = SavedLedger()
    chunk, _ = dream.reset(seed=1, options={"frames": episode.observations[0]})
    for step, scene in enumerate(scenes):
        if step:
            chunk = dream.step(episode.actions[step - 1])[0]
        np.testing.assert_array_equal(scene.panels[0].chunk, chunk)
        np.testing.assert_array_equal(scene.panels[1].chunk, episode.observations[step])
    assert [panel.ended for panel in scenes[-1].panels] == ["", "truncated"]
    assert scenes[-1].panels[1].total == episode.total_reward


def test_a_replay_goes_back(dataset: Dataset) -> None:
    stage = Stage(SavedLedger(), twin=TwinMaker(make=lambda: RecordedEnv(dataset)))
    session = Session(stage, pilot=recorded_pilot())
    session.apply(Request("view", "both"))
    for _ in range(5):
        session.apply(Request("drive"))
    session.apply(Request("undo", count=3))
    scene = session.apply(Request("drive"))
    np.testing.assert_array_equal(scene.panels[1].chunk, dataset[0].observations[3])
    assert scene.action == dataset[0].actions[2]


def test_numbers_are_replayed_as_numbers(dataset: Dataset) -> None:
    from dataclasses import replace

    controls = np.full((6, 2), np.nan, np.float32)
    controls[0] = (0.5, -0.5)
    env = RecordedEnv(dataset)
    env._episode = replace(dataset[0], controls=controls, actions=("", *dataset[0].actions[1:]))
    np.testing.assert_array_equal(env.action, controls[0])
    env.step(env.action)
    assert env.action == dataset[0].actions[1]
