"""Low-rank updates begin without effect, are all that transition and decoder train, and end in plain weights."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.tolerances import assert_near
from tests.training.finetuning import STAGE
from tests.worlds import tiny_dataset, tiny_world_model
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.ema import trained_parameters
from wm_gym.training.lora import LowRankStage, add_low_rank, merged
from wm_gym.training.training_checkpoint import TrainingError
from wm_gym.world_model import WorldModel

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_dataset(tmp_path_factory.mktemp("data")).folder


@pytest.fixture
def model(data: Path) -> WorldModel:
    model = tiny_world_model(data)
    add_low_rank(model, rank=2, seed=0)
    return model


def dreamt(model: WorldModel) -> torch.Tensor:
    """The latents that a step draws, before they become pixels."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(2, 1, 1, 4, 4, 4, generator=generator)
    sigmas, states = torch.ones(2, 1), torch.randn(2, 1, 3, 24, generator=generator)
    output: torch.Tensor = model.decoder(noisy, noisy, sigmas, states)
    return output


def shake(model: WorldModel) -> None:
    """Give the updates an effect, as training does."""
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)


@torch.no_grad()
def test_updates_begin_without_effect(model: WorldModel, data: Path) -> None:
    assert torch.equal(dreamt(model), dreamt(tiny_world_model(data)))


def test_transition_and_decoder_train_nothing_else(model: WorldModel) -> None:
    trained = trained_parameters(model)
    large = {name for name in trained if name.startswith(("transition.backbone.", "decoder."))}
    assert large and all(".lora_A." in name or ".lora_B." in name for name in large)
    assert {"encoder.position.weight", "heads.readout.weight", "transition.queries.weight"} <= trained.keys()


def test_every_linear_layer_of_the_two_has_an_update(model: WorldModel, data: Path) -> None:
    plain = tiny_world_model(data)
    networks = (plain.transition.backbone, plain.decoder.transformer)
    num_linear = sum(isinstance(layer, nn.Linear) for network in networks for layer in network.modules())
    assert sum(".lora_A." in name for name in trained_parameters(model)) == num_linear


def test_equal_seeds_begin_alike(model: WorldModel, data: Path) -> None:
    torch.manual_seed(1)
    again = tiny_world_model(data)
    add_low_rank(again, rank=2, seed=0)
    weights = again.state_dict()
    assert all(torch.equal(weights[name], weight) for name, weight in model.state_dict().items())


@torch.no_grad()
def test_merged_weights_compute_the_same(model: WorldModel, data: Path) -> None:
    shake(model)
    expected = dreamt(model)
    assert not torch.allclose(expected, dreamt(tiny_world_model(data)), atol=1e-2)
    names = tiny_world_model(data).decoder.state_dict().keys()
    model.decoder = merged(model.decoder)
    assert model.decoder.state_dict().keys() == names
    assert_near(dreamt(model), expected)


def test_merging_leaves_the_training_as_it_is(model: WorldModel) -> None:
    shake(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    merged(model.transition)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], weight) for name, weight in before.items())


def test_the_export_is_an_ordinary_checkpoint(model: WorldModel, data: Path, tmp_path: Path) -> None:
    shake(model)
    sampler = MixtureSampler(Mixture((tiny_dataset(data),)), num_rounds=3, batch_size=4)
    LowRankStage(model, sampler, STAGE).export(model, tmp_path / "tuned")
    tiny_world_model(data).save_pretrained(tmp_path / "plain")
    for part in ("transition", "decoder"):
        tuned, plain = (load_file(tmp_path / name / part / WEIGHTS) for name in ("tuned", "plain"))
        assert {name: weight.shape for name, weight in tuned.items()} == {n: w.shape for n, w in plain.items()}
    with torch.no_grad():
        assert_near(dreamt(WorldModel.from_pretrained(tmp_path / "tuned")), dreamt(model))


def test_a_missing_peft_is_named(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(TrainingError, match=r'peft must be installed .*; pip install "wm-gym\[finetune\]", or leave'):
        add_low_rank(tiny_world_model(data), rank=2, seed=0)
