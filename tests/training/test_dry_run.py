"""What a training would take is counted, measured, and nothing is written."""

from pathlib import Path

import pytest

from tests.training.finetuning import LOOP, STAGE
from tests.worlds import tiny_dataset, tiny_world_model
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.dry_run import TrainingPlan, plan_training
from wm_gym.training.world_model_stage import WorldModelStage


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def plan(dataset: Dataset, batch_size: int = 4) -> tuple[TrainingPlan, WorldModelStage]:
    sampler = MixtureSampler(Mixture((dataset,)), num_rounds=3, batch_size=batch_size)
    stage = WorldModelStage(tiny_world_model(dataset.folder), sampler, STAGE)
    return plan_training("world model", stage, sampler, LOOP), stage


def test_parameters_are_counted(dataset: Dataset) -> None:
    planned, stage = plan(dataset)
    frozen = sum(weight.numel() for weight in stage.model.autoencoder.parameters())
    total = sum(weight.numel() for weight in stage.model.parameters())
    assert (planned.num_trained, planned.num_frozen) == (total - frozen, frozen)
    assert planned.weight_bytes >= 4 * (5 * (total - frozen) + frozen)


def test_activations_grow_with_the_batch(dataset: Dataset) -> None:
    small, large = plan(dataset)[0], plan(dataset, batch_size=16)[0]
    assert 2 < large.activation_bytes / small.activation_bytes < 5


def test_data_are_the_frames_of_all_episodes(dataset: Dataset) -> None:
    assert plan(dataset)[0].data_bytes == sum(episode.observations.nbytes for episode in dataset)


def test_time_is_measured_and_multiplied(dataset: Dataset) -> None:
    planned, _ = plan(dataset)
    assert 0 < planned.seconds_per_iteration < 60
    assert planned.seconds == LOOP.num_iterations * planned.seconds_per_iteration


def test_a_plan_is_one_line_for_a_person() -> None:
    line = str(
        TrainingPlan(
            name="world model",
            num_trained=1_234_567,
            num_frozen=89,
            weight_bytes=25_000_000,
            activation_bytes=300_000_000,
            data_bytes=4_000_000,
            num_iterations=2000,
            seconds_per_iteration=0.3,
        )
    )
    assert line == (
        "world model: 1,234,567 parameters trained, 89 frozen; about 329 MB of memory (weights and optimizer 25 MB, "
        "activations 300 MB, data 4 MB); 2,000 iterations of 0.3 s, 10.0 minutes in all"
    )


def test_nothing_is_written(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan(dataset)
    assert list(tmp_path.iterdir()) == []
