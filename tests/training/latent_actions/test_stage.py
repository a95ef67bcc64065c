"""The latent actions' loss: it sees observations alone, falls, and its gate knows codes that mean nothing."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.latent_actions.constructed import tiny_latent_actions, tiny_stage, with_texts
from tests.worlds import tiny_dataset
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture
from wm_gym.training.latent_actions.checkpoint import read_latent_actions
from wm_gym.training.latent_actions.model import LatentActionConfig, LatentActionModel
from wm_gym.training.latent_actions.pairs import hold_out, is_visible
from wm_gym.training.latent_actions.stage import LatentActionStage, LatentActionStageConfig
from wm_gym.training.loop import LoopConfig, train


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def loss_of(stage: LatentActionStage, iteration: int = 0) -> torch.Tensor:
    return stage.loss(iteration, torch.Generator().manual_seed(0))[0]


def weights_after(dataset: Dataset, output: Path) -> dict[str, torch.Tensor]:
    stage = tiny_stage(dataset)
    train(stage, LoopConfig(num_iterations=5, warmup_iterations=1), output, progress=False)
    return {name: tensor.clone() for name, tensor in stage.module.state_dict().items()}


def test_texts_are_never_read(dataset: Dataset, tmp_path: Path) -> None:
    named = weights_after(with_texts(dataset, tmp_path / "a", None), tmp_path / "with")
    unnamed = weights_after(with_texts(dataset, tmp_path / "b", ""), tmp_path / "without")
    assert named.keys() == unnamed.keys()
    assert all(torch.equal(named[name], unnamed[name]) for name in named)
    assert not all(torch.equal(named[name], start) for name, start in tiny_latent_actions().state_dict().items())


def test_loss_is_a_function_of_the_iteration(dataset: Dataset) -> None:
    assert torch.equal(loss_of(tiny_stage(dataset)), loss_of(tiny_stage(dataset)))
    assert not torch.equal(loss_of(tiny_stage(dataset), iteration=1), loss_of(tiny_stage(dataset)))


def test_metrics_are_finite_and_detached(dataset: Dataset) -> None:
    loss, metrics = tiny_stage(dataset).loss(0, torch.Generator())
    assert bool(loss.isfinite())
    assert set(metrics) == {"error", "changed", "code_distance", "perplexity"}
    assert all(bool(value.isfinite()) and not value.requires_grad for value in metrics.values())


def test_gradient_reaches_every_weight_but_the_autoencoder(dataset: Dataset) -> None:
    model = tiny_latent_actions()
    torch.nn.init.normal_(model.change.weight)  # zero at first, which holds gradients back
    stage = tiny_stage(dataset, model)
    loss_of(stage).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if name != "places.bias":  # the same for all cells: a softmax over cells ignores it
            assert parameter.grad.abs().max() > 0, name
    assert all(parameter.grad is None for parameter in stage.autoencoder.parameters())


def test_recording_in_which_nothing_moves_gives_a_finite_loss(dataset: Dataset) -> None:
    stage = tiny_stage(dataset)
    sample = stage.sampler.sample(0)
    np.copyto(sample.observations[:, 1], sample.observations[:, 0])
    stage.sampler.sample = lambda iteration: sample  # type: ignore[method-assign]
    assert bool(loss_of(stage).isfinite())


def test_visible_is_any_pixel_of_any_frame_against_the_last_one_before() -> None:
    before = np.zeros((3, 2, 4, 4, 3), np.uint8)
    before[2, 0] = 9  # moved before the step only
    after = np.zeros_like(before)
    after[1, 0, 3, 3, 1] = 1
    assert is_visible(before, after).tolist() == [False, True, False]


def test_last_episodes_are_held_out(dataset: Dataset) -> None:
    trained, held_out = hold_out(Mixture((dataset,)), 0.34)
    assert trained.datasets[0].entries + held_out.datasets[0].entries == dataset.entries
    assert len(held_out.datasets[0]) == 2


@pytest.mark.parametrize("fraction", [0.001, 0.999])
def test_both_parts_have_an_episode(dataset: Dataset, fraction: float) -> None:
    assert all(len(part.datasets[0]) >= 1 for part in hold_out(Mixture((dataset,)), fraction))


def test_single_episode_is_refused(tmp_path: Path) -> None:
    alone = tiny_dataset(tmp_path, num_episodes=1)
    with pytest.raises(DatasetError, match="at least 2 episodes, one of them held out, got 1"):
        hold_out(Mixture((alone,)), 0.1)


def test_decoder_that_ignores_its_code_closes_the_gate(dataset: Dataset) -> None:
    gate = tiny_stage(dataset).measure()  # untrained, it predicts no change
    assert gate.shuffle_ratio == pytest.approx(1)
    assert gate.explained == pytest.approx(0, abs=1e-5)
    assert not gate.is_open
    assert "below 1.5 they cannot label" in str(gate)


def test_collapsed_codebook_is_reported(dataset: Dataset) -> None:
    model = tiny_latent_actions()
    model.codebook.table.data[:] = model.codebook.table[0].clone()
    stage = tiny_stage(dataset, model)
    gate = stage.measure()
    assert (gate.num_used_codes, gate.num_codes) == (1, 4)
    assert gate.perplexity == pytest.approx(1)
    assert stage.loss(0, torch.Generator())[1]["perplexity"].item() == pytest.approx(1)
    assert "1 of 4 codes used, perplexity 1.0" in str(gate)


def test_fresh_weights_start_on_several_codes(dataset: Dataset) -> None:
    model = tiny_latent_actions()
    stage = tiny_stage(dataset, model, batch_size=32)
    assert stage.measure().num_used_codes == 1
    stage.start()
    assert stage.measure().num_used_codes >= 3


def test_entropy_weight_keeps_codes_apart(dataset: Dataset) -> None:
    model = tiny_latent_actions()
    loss_of(tiny_stage(dataset, model)).backward()
    with_entropy = model.codebook.table.grad
    other = tiny_latent_actions()
    stage = tiny_stage(dataset, other)
    stage.config = LatentActionStageConfig(**{**asdict(stage.config), "entropy_weight": 0.0})
    loss_of(stage).backward()
    assert with_entropy is not None
    assert other.codebook.table.grad is not None
    assert not torch.equal(with_entropy, other.codebook.table.grad)


def test_export_is_read_back_with_its_gate(dataset: Dataset, tmp_path: Path) -> None:
    stage = tiny_stage(dataset)
    stage.export(stage.module, tmp_path)
    latent = read_latent_actions(tmp_path)
    assert latent.gate == stage.gate
    assert latent.frame_size == dataset.manifest.frame_size
    for name, tensor in stage.module.state_dict().items():
        assert torch.equal(latent.model.state_dict()[name], tensor)
    for name, tensor in stage.autoencoder.state_dict().items():
        assert torch.equal(latent.autoencoder.state_dict()[name], tensor)
    assert not list(tmp_path.rglob("*.pt")) + list(tmp_path.rglob("*.pkl"))


def test_description_is_json_and_knows_the_shape(dataset: Dataset) -> None:
    described = json.loads(json.dumps(tiny_stage(dataset).describe()))
    assert described["shape"]["num_codes"] == 4
    assert described["batch_size"] == 8


def test_chunks_of_several_frames_are_predicted(tmp_path: Path) -> None:
    dataset = tiny_dataset(tmp_path, chunk_frames=2)
    model = LatentActionModel(LatentActionConfig(width=16, num_blocks=1), latent_channels=4, chunk_frames=2)
    assert bool(loss_of(tiny_stage(dataset, model)).isfinite())


@pytest.mark.parametrize("wrong", [{"num_codes": 1}, {"code_width": 0}, {"num_pools": 0}])
def test_shape_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        LatentActionConfig(**wrong)


@pytest.mark.parametrize("held_out", [0.0, 1.0])
def test_held_out_out_of_range_is_refused(held_out: float) -> None:
    with pytest.raises(ValueError, match=r"held_out must be in \(0, 1\)"):
        LatentActionStageConfig(held_out=held_out)
