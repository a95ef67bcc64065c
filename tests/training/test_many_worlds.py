"""Training on several worlds at once: equal shares, equal say, numbers beside texts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.worlds import Steer, steer_at_random, tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.data.recording import record
from wm_gym.training.autoencoder_stage import AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

SIZE = replace(tiny_size(), past_frames=2, language="minilm")
CONFIG = WorldModelStageConfig(batch_size=8, num_rounds=3, history_noise=0.0)


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    folder = tmp_path_factory.mktemp("worlds")
    steer = record(Steer(), steer_at_random, output=folder / "steer", num_episodes=6, max_steps=8, progress=False)
    return Mixture((tiny_dataset(folder / "slide"), steer))


@pytest.fixture(scope="module")
def stage(mixture: Mixture) -> WorldModelStage:
    sampler = MixtureSampler(mixture, num_rounds=3, batch_size=8, num_lead=1)
    return WorldModelStage(untrained_world_model(mixture, tiny_autoencoder(), SIZE), sampler, CONFIG)


def loss_of(stage: WorldModelStage | AutoencoderStage) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    return stage.loss(0, torch.Generator().manual_seed(0))


def test_each_worlds_error_is_told(stage: WorldModelStage) -> None:
    _, metrics = loss_of(stage)
    assert {"changed/slide", "changed/steer"} <= metrics.keys()


def test_the_loss_is_the_mean_of_roots(stage: WorldModelStage) -> None:
    error = torch.tensor([1.0, 1.0, 0.01, 0.01])[:, None, None, None, None]
    loss, metrics = stage._over_worlds(error, torch.ones_like(error), torch.ones_like(error))
    assert float(loss) == pytest.approx((1.0 + 0.1) / 2, abs=1e-3)
    assert float(metrics["flow"]) == pytest.approx(1.01 / 2)


def test_gradient_reaches_what_reads_numbers(stage: WorldModelStage) -> None:
    loss, _ = loss_of(stage)
    loss.backward()
    gradients = {name: p.grad for name, p in stage.model.action_encoder.named_parameters()}
    for name in ("controls.0.weight", "no_text", "no_controls", "projection.weight"):
        gradient = gradients[name]
        assert gradient is not None and gradient.abs().max() > 0, name


def test_numeric_actions_have_tokens_of_their_own(stage: WorldModelStage) -> None:
    batch = stage.sampler.sample(0)
    tokens = stage._action_tokens(batch.actions, batch.controls)
    numeric = torch.from_numpy(batch.controls).isfinite().any(dim=-1)
    assert numeric.any() and not numeric.all()
    no_text = stage.model.action_encoder.no_text
    torch.testing.assert_close(tokens[numeric][:, :-1], no_text.expand(int(numeric.sum()), -1, -1))


def test_two_past_frames_are_those_before_the_round(stage: WorldModelStage) -> None:
    history = torch.arange(4.0)[None, :, None, None, None, None].expand(2, 4, 1, 1, 1, 1)  # one lead, three rounds
    past = stage._past(history, 3)
    assert past[0, :, :, 0, 0, 0].tolist() == [[0, 1], [1, 2], [2, 3]]


def test_dreaming_goes_on_from_the_lead(stage: WorldModelStage) -> None:
    batch = stage.sampler.sample(0)
    latents = stage.model.autoencoder.encode(torch.from_numpy(batch.observations))
    actions = stage._action_tokens(batch.actions, batch.controls).detach()
    dreamt = stage._dream(latents[:, :2], actions, torch.Generator().manual_seed(0))
    assert dreamt.shape == latents[:, :-1].shape
    assert torch.equal(dreamt[:, :2], latents[:, :2])


def test_autoencoder_tells_each_worlds_psnr(mixture: Mixture) -> None:
    sampler = MixtureSampler(mixture, num_rounds=1, batch_size=4)
    loss, metrics = loss_of(AutoencoderStage(tiny_autoencoder(), sampler, AutoencoderStageConfig()))
    assert {"psnr/slide", "psnr/steer"} <= metrics.keys()
    assert loss.isfinite()


def test_numbers_need_a_language_model(mixture: Mixture) -> None:
    with pytest.raises(ValueError, match=r"size.language must name a language model .*; say minilm"):
        untrained_world_model(mixture, tiny_autoencoder(), tiny_size())


def test_pong_keeps_no_start_frames(tmp_path: Path) -> None:
    slide = tiny_dataset(tmp_path)
    pong = Dataset(slide.folder, replace(slide.manifest, world="pong"), slide.entries)
    model = untrained_world_model(Mixture((slide, pong)), tiny_autoencoder(), tiny_size())
    assert list(model.card.worlds) == ["slide", "pong"]
    assert list(model.starts) == ["slide"]
