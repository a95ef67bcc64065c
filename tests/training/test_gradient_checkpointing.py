"""Gradient checkpointing: the same loss and gradients from less memory."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.training.finetuning import LOOP, STAGE
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.dry_run import plan_training
from wm_gym.training.gradient_checkpointing import checkpoint_blocks
from wm_gym.training.loop import TrainingError, train
from wm_gym.training.lora import add_low_rank
from wm_gym.training.presets import WorldModelSize, untrained_world_model
from wm_gym.training.transformer_blocks import transformer_blocks
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

CONFIG = WorldModelStageConfig(batch_size=4, num_rounds=4, event_fraction=0.0)
SWIN = replace(CONFIG, sampling="swin", window_stride=1)
DEEP = replace(tiny_size(), transition_layers=6, decoder_layers=6)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def make_stage(dataset: Dataset, config: WorldModelStageConfig, size: WorldModelSize) -> WorldModelStage:
    mixture = Mixture((dataset,))
    model = untrained_world_model(mixture, tiny_autoencoder(), size).train()
    sampler = MixtureSampler(mixture, num_rounds=config.num_rounds, batch_size=config.batch_size, num_ahead=0)
    return WorldModelStage(model, sampler, config)


def learn(stage: WorldModelStage) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The loss of an iteration, and its gradients."""
    loss, _ = stage.loss(3, torch.Generator().manual_seed(1))
    loss.backward()
    return loss.detach(), {
        name: parameter.grad for name, parameter in stage.model.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (CONFIG, tiny_size()),
        (CONFIG, tiny_size(window_chunks=2)),
        (replace(CONFIG, rollout_fraction=1.0), tiny_size(window_chunks=2)),
        (SWIN, tiny_size()),
        (CONFIG, replace(tiny_size(), memory_rounds=2)),
    ],
    ids=["chunk", "window", "rollout", "swin", "memory"],
)
def test_loss_and_gradients_are_the_same_to_the_bit(
    dataset: Dataset, config: WorldModelStageConfig, size: WorldModelSize
) -> None:
    plain, checkpointed = make_stage(dataset, config, size), make_stage(dataset, config, size)
    checkpoint_blocks(checkpointed.model)
    (loss, gradients), (other_loss, others) = learn(plain), learn(checkpointed)
    assert torch.equal(loss, other_loss)
    assert gradients.keys() == others.keys()
    assert {name.split(".")[0] for name in gradients} >= {"transition", "decoder", "encoder"}
    assert [name for name in gradients if not torch.equal(gradients[name], others[name])] == []


def test_every_block_runs_again(dataset: Dataset) -> None:
    stage = make_stage(dataset, CONFIG, tiny_size())
    runs: Counter[nn.Module] = Counter()
    for block in transformer_blocks(stage.model, option="test"):
        attention = next(each for each in block.modules() if "Attention" in type(each).__name__)
        attention.register_forward_hook(lambda module, *_: runs.update([module]))
    checkpoint_blocks(stage.model)
    checkpoint_blocks(stage.model)  # a second time changes nothing
    learn(stage)
    assert list(runs.values()) == [2] * (tiny_size().transition_layers + tiny_size().decoder_layers)


def test_low_rank_updates_get_the_same_gradients(dataset: Dataset) -> None:
    plain, checkpointed = make_stage(dataset, CONFIG, tiny_size()), make_stage(dataset, CONFIG, tiny_size())
    for stage in (plain, checkpointed):
        add_low_rank(stage.model, 2, 0)
    checkpoint_blocks(checkpointed.model)
    gradients, others = learn(plain)[1], learn(checkpointed)[1]
    assert any("lora_B" in name for name in gradients)
    assert [name for name in gradients if not torch.equal(gradients[name], others[name])] == []


def test_a_training_is_the_same_and_may_go_on_without(dataset: Dataset, tmp_path: Path) -> None:
    for name, first in (("plain", False), ("checkpointed", True)):
        for steps, option in ((2, first), (4, False)):
            loop = replace(LOOP, num_iterations=steps, final_learning_rate_fraction=1.0, gradient_checkpointing=option)
            train(make_stage(dataset, CONFIG, tiny_size()), loop, tmp_path / name, progress=False)
    one, other = (torch_weights(tmp_path / name) for name in ("plain", "checkpointed"))
    assert one == other


def torch_weights(folder: Path) -> dict[str, bytes]:
    """The bytes of every weight file of a checkpoint."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("*/*.safetensors")}
    assert files
    return files


def test_a_plan_tells_the_memory_saved(dataset: Dataset) -> None:
    plain, checkpointed = (make_stage(dataset, STAGE, DEEP) for _ in range(2))
    plans = [
        plan_training("world model", stage, stage.sampler, replace(LOOP, gradient_checkpointing=option))
        for stage, option in ((plain, False), (checkpointed, True))
    ]
    assert plans[1].activation_bytes < plans[0].activation_bytes / 3


def test_a_module_without_blocks_is_refused() -> None:
    with pytest.raises(TrainingError, match="gradient_checkpointing must be given a module with transformer blocks"):
        checkpoint_blocks(tiny_autoencoder())
