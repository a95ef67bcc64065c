"""Training some parts of a world model alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.finetuning import LOOP
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.loop import TrainingError, train
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import TrainedPart, WorldModelStageConfig
from wm_gym.world_model import WorldModel

CONFIG = WorldModelStageConfig(batch_size=4, num_rounds=3, event_fraction=0.5)
WITHOUT_LANGUAGE: tuple[TrainedPart, ...] = ("encoder", "action_encoder", "heads", "decoder")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def make_stage(dataset: Dataset, parts: tuple[TrainedPart, ...] | None) -> WorldModelStage:
    mixture = Mixture((dataset,))
    model = untrained_world_model(mixture, tiny_autoencoder(), tiny_size())
    sampler = MixtureSampler(mixture, num_rounds=CONFIG.num_rounds, batch_size=CONFIG.batch_size, num_ahead=0)
    return WorldModelStage(model, sampler, replace(CONFIG, trained_parts=parts))


def changed_parts(before: WorldModel, after: WorldModel) -> set[str]:
    pairs = zip(before.named_parameters(), after.parameters(), strict=True)
    return {name.split(".")[0] for (name, one), other in pairs if not torch.equal(one, other)}


@pytest.mark.parametrize("parts", [("decoder",), ("heads",), WITHOUT_LANGUAGE])
def test_no_other_part_changes(dataset: Dataset, tmp_path: Path, parts: tuple[TrainedPart, ...]) -> None:
    stage = make_stage(dataset, parts)
    train(stage, LOOP, tmp_path, stage_config=stage.describe(), progress=False)
    untrained = make_stage(dataset, None).model
    assert changed_parts(untrained, WorldModel.from_pretrained(tmp_path)) == set(parts)


def test_a_resume_with_other_parts_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    stage = make_stage(dataset, ("decoder",))
    train(stage, LOOP, tmp_path, stage_config=stage.describe(), progress=False)
    other = make_stage(dataset, None)
    with pytest.raises(TrainingError, match="trained_parts"):
        train(other, replace(LOOP, num_iterations=9), tmp_path, stage_config=other.describe(), progress=False)


def test_older_trainings_of_all_parts_go_on(dataset: Dataset) -> None:
    assert "trained_parts" not in make_stage(dataset, None).describe()


def test_no_part_is_refused() -> None:
    with pytest.raises(ValueError, match="trained_parts must name at least one of encoder, action_encoder"):
        WorldModelStageConfig(trained_parts=())
