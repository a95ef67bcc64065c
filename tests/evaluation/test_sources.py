"""Real rollouts out of recordings."""

import json
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from tests.worlds import tiny_dataset
from wm_gym.cli import main
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.recording import random_policy, record
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig, for_world
from wm_gym.evaluation.dreaming import dream_rollouts
from wm_gym.evaluation.fidelity import evaluate_model
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.long.suite import measure_suite
from wm_gym.evaluation.sources import RecordedRollouts
from wm_gym.evaluation.transfer import evaluate_transfer
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

NUM_EPISODES, NUM_STEPS = 5, 6


@pytest.fixture(scope="module")
def random_checkpoint(random_model: WorldModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random model's folder."""
    folder = tmp_path_factory.mktemp("checkpoint") / "random"
    random_model.save_pretrained(folder)
    return folder


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


def dreamt(model: WorldModel, dataset: Dataset, **values: object) -> list[np.ndarray]:
    """The last chunk of each dream, made one by one."""
    rollouts = open_rollouts(model, dataset, **values)
    real = [rollouts[index] for index in range(len(rollouts))]
    dreams = [dream_rollouts(model, [each], sampling=StepArguments(), on_step=int)[0] for each in real]
    return [dream.observations[-1] for dream in dreams]


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
    dream = [
        np.mean(np.square(frames.astype(float) - dataset[index].observations[3]))
        for index, frames in enumerate(dreamt(random_model, dataset, rollouts=4, horizon=3))
    ]
    assert data["psnr"]["3"] == pytest.approx(10 * np.log10(255**2 / np.mean(dream)), abs=1e-3)
    assert str(dataset.folder) in report.table()


def test_numbers_are_told_in_their_range(
    random_model: WorldModel, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    episode = dataset[0]
    controls = np.full((episode.num_steps, 1), np.nan, dtype=np.float32)
    controls[1], controls[2] = 2.0, 9.0  # the second out of range, as training takes it
    spoken = (episode.actions[0], "", "", "", *episode.actions[4:])  # the fourth says nothing
    manifest = replace(dataset.manifest, control_low=(-1.0,), control_high=(3.0,))
    with DatasetWriter.open(tmp_path / "numeric", manifest) as writer:
        writer.append(replace(episode, actions=spoken, controls=controls))
    card = random_model.card
    numeric = replace(card.worlds["minigrid"], control_low=(-1.0,), control_high=(3.0,))
    monkeypatch.setattr(random_model, "card", replace(card, worlds={"minigrid": numeric}))
    actions = open_rollouts(random_model, Dataset.open(tmp_path / "numeric"), horizon=4)[0].actions
    assert (actions[0], actions[3]) == (episode.actions[0], "")
    np.testing.assert_array_equal(np.stack(actions[1:3]), [[0.5], [1.0]])


def test_another_range_of_numbers_is_refused(random_model: WorldModel, dataset: Dataset, tmp_path: Path) -> None:
    manifest = replace(dataset.manifest, control_low=(-1.0,), control_high=(3.0,))
    with DatasetWriter.open(tmp_path / "numeric", manifest) as writer:
        writer.append(replace(dataset[0], controls=np.full((dataset[0].num_steps, 1), np.nan, dtype=np.float32)))
    with pytest.raises(ValueError, match="recordings must have the checkpoint's range of numeric actions"):
        open_rollouts(random_model, Dataset.open(tmp_path / "numeric"))


def test_datasets_take_turns(random_model: WorldModel, dataset: Dataset, tmp_path: Path) -> None:
    with DatasetWriter.open(tmp_path / "other", dataset.manifest) as writer:
        writer.append(dataset[4])
    folders = (str(dataset.folder), str(tmp_path / "other"))
    config = FidelityConfig(recordings=folders, rollouts=3, horizon=9).resolve(random_model.card)
    rollouts = RecordedRollouts.open(random_model, config)
    for rollout, number in zip([rollouts[index] for index in range(3)], (0, 4, 1), strict=True):
        np.testing.assert_array_equal(rollout.observations, dataset[number].observations)


def test_lead_is_within_short_episodes(random_model: WorldModel, dataset: Dataset) -> None:
    rollouts = open_rollouts(random_model, dataset, lead_steps=(1, 100), rollouts=5)
    lengths = [rollouts[index].num_steps for index in range(5)]
    assert min(lengths) >= 1 and max(lengths) < NUM_STEPS


def test_plan_of_a_known_world_gives_the_lead(random_model: WorldModel, dataset: Dataset) -> None:
    config = FidelityConfig(world="pong", recordings=(str(dataset.folder),))
    world = random_model.card.worlds["minigrid"]
    resolved = config.resolve(replace(random_model.card, worlds={"pong": world}))
    assert resolved.lead_steps == PLANS["pong"].lead_steps


def test_command_writes_numbers_and_no_failures(
    random_checkpoint: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--recordings", str(dataset.folder), "--rollouts", "3", "--horizon", "3", "--json"]
    assert main(["evaluate", str(random_checkpoint), *options, str(tmp_path / "found.json")]) == 0
    assert str(dataset.folder) in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found.json", "found.png"]


def test_too_long_a_lead_is_refused(random_model: WorldModel, dataset: Dataset) -> None:
    with pytest.raises(
        ValueError, match=f"recordings must hold an episode longer than the shortest lead, {NUM_STEPS} steps"
    ):
        open_rollouts(random_model, dataset, lead_steps=(NUM_STEPS, NUM_STEPS))


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


@pytest.mark.parametrize(
    ("recordings", "rule"),
    [
        ((), "recordings must name at least one dataset folder"),
        (("data", "data/"), "recordings must name each folder once"),
    ],
)
def test_no_recording_and_one_named_twice_are_refused(recordings: tuple[str, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        FidelityConfig(recordings=recordings)


def test_several_worlds_want_one_named(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="recordings must be of one world.*name it with --world"):
        for_world(config_of(dataset), "minigrid")


def test_transfer_needs_a_twin(dataset: Dataset) -> None:
    config = replace(config_of(dataset), checkpoint="minigrid")
    with pytest.raises(ValueError, match="recordings must be left out here, where a twin has to answer"):
        evaluate_transfer(config, TransferConfig(transfer=("random",)), progress=False)


def test_long_suite_needs_a_twin(random_model: WorldModel, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="recordings must be left out here, where a twin has to answer"):
        measure_suite(random_model, config_of(dataset), LongConfig(output=tmp_path), FollowingConfig(), progress=False)
    assert not list(tmp_path.iterdir())
