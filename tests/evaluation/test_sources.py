"""Real rollouts out of recordings."""

import json
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from tests.worlds import tiny_dataset
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.recording import random_policy, record
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig
from wm_gym.evaluation.fidelity import evaluate_model
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.long.suite import measure_suite
from wm_gym.evaluation.sources import RecordedRollouts
from wm_gym.evaluation.transfer import evaluate_transfer
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.world_model import WorldModel

NUM_EPISODES, NUM_STEPS = 5, 6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Episodes of MiniGrid."""
    env = gym.make("envs:real/MiniGrid-v0", layout="rooms", disable_env_checker=True)
    folder = tmp_path_factory.mktemp("recorded") / "rooms"
    dataset = record(env, random_policy, output=folder, num_episodes=NUM_EPISODES, max_steps=NUM_STEPS, progress=False)
    env.close()
    return dataset


def config_of(dataset: Dataset, **values: object) -> FidelityConfig:
    """A short evaluation on the recordings."""
    values = {"rollouts": 4, "horizon": 3, "batch_size": 3} | values
    return FidelityConfig(recordings=(str(dataset.folder),), **values)  # type: ignore[arg-type]


def open_rollouts(model: WorldModel, dataset: Dataset, **values: object) -> RecordedRollouts:
    """The rollouts that such an evaluation compares with."""
    return RecordedRollouts.open(model, config_of(dataset, **values).resolve(model.card))


def test_rollout_is_what_the_episode_says(random_model: WorldModel, dataset: Dataset) -> None:
    rollout = open_rollouts(random_model, dataset)[2]
    episode = dataset[2]
    np.testing.assert_array_equal(rollout.observations, episode.observations[:4])
    np.testing.assert_array_equal(rollout.rewards, episode.rewards[:3])
    assert rollout.actions == episode.actions[:3]
    assert rollout.states == ()


def test_lead_is_cut_off_and_shown_as_clip(moving_model: WorldModel, dataset: Dataset) -> None:
    rollout = open_rollouts(moving_model, dataset, lead_steps=(2, 2))[0]
    episode = dataset[0]
    np.testing.assert_array_equal(rollout.observations, episode.observations[2:6])
    np.testing.assert_array_equal(rollout.clip, episode.observations[:3, 0][-moving_model.kept_frames :])
    assert rollout.actions == episode.actions[2:5]


def test_rollout_ends_with_its_episode(random_model: WorldModel, dataset: Dataset) -> None:
    rollout = open_rollouts(random_model, dataset, horizon=50)[0]
    assert rollout.num_steps == dataset[0].num_steps


def test_there_is_at_most_one_rollout_an_episode(random_model: WorldModel, dataset: Dataset) -> None:
    assert len(open_rollouts(random_model, dataset, rollouts=50)) == NUM_EPISODES
    assert len(open_rollouts(random_model, dataset, rollouts=2)) == 2


def test_report_tells_frames_and_rewards(random_model: WorldModel, dataset: Dataset) -> None:
    report = evaluate_model(random_model, config_of(dataset), progress=False)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    held = np.mean([np.square(dataset[i].observations[3] - dataset[i].observations[0].astype(float)) for i in range(4)])
    assert data["n"] == 4
    assert data["factors"] == {} and data["reader"] is None
    assert data["baseline_psnr"]["3"] == pytest.approx(10 * np.log10(255**2 / held))
    assert 0 < data["psnr"]["3"] < 60
    assert str(dataset.folder) in report.table()


def test_numbers_are_told_in_their_range(random_model: WorldModel, dataset: Dataset, tmp_path: Path) -> None:
    episode = dataset[0]
    controls = np.full((episode.num_steps, 1), np.nan, dtype=np.float32)
    controls[1:] = 3.0
    spoken = (episode.actions[0], *[""] * (episode.num_steps - 1))
    manifest = replace(dataset.manifest, control_low=(-1.0,), control_high=(3.0,))
    with DatasetWriter.open(tmp_path / "numeric", manifest) as writer:
        writer.append(replace(episode, actions=spoken, controls=controls))
    actions = open_rollouts(random_model, Dataset.open(tmp_path / "numeric"))[0].actions
    assert actions[0] == episode.actions[0]
    np.testing.assert_array_equal(np.stack(actions[1:]), np.ones((2, 1)))


def test_too_long_a_lead_is_refused(random_model: WorldModel, dataset: Dataset) -> None:
    with pytest.raises(ValueError, match=f"recordings must hold an episode of more than {NUM_STEPS} steps"):
        open_rollouts(random_model, dataset, lead_steps=(0, NUM_STEPS))


def test_recording_of_another_world_is_refused(random_model: WorldModel, tmp_path: Path) -> None:
    other = tiny_dataset(tmp_path / "other")
    with pytest.raises(ValueError, match="recordings must be of the world 'minigrid' with height"):
        evaluate_model(random_model, config_of(other), progress=False)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"twin": "envs:real/MiniGrid-v0"}, "twin must be left out where recordings stand in for the twin"),
        ({"policies": ("policies.minigrid:mixed",)}, "policies must be left out where recordings stand in"),
        ({"drift_rollouts": 1}, "drift_rollouts must be 0 with recordings, got 1"),
    ],
)
def test_what_asks_a_twin_is_refused(dataset: Dataset, values: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        config_of(dataset, **values)


def test_no_recording_is_refused() -> None:
    with pytest.raises(ValueError, match="recordings must name at least one dataset folder"):
        FidelityConfig(recordings=())


def test_transfer_needs_a_twin(dataset: Dataset) -> None:
    config = replace(config_of(dataset), checkpoint="minigrid")
    with pytest.raises(ValueError, match="recordings must be left out here, where a twin has to answer"):
        evaluate_transfer(config, TransferConfig(transfer=("random",)), progress=False)


def test_long_suite_needs_a_twin(random_model: WorldModel, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recordings must be left out here, where a twin has to answer"):
        measure_suite(random_model, config_of(dataset), LongConfig(output=tmp_path), FollowingConfig(), progress=False)
    assert not list(tmp_path.iterdir())
