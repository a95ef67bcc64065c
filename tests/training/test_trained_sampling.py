"""Training for a window: what the config says, what the loss sees, and that it falls."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.test_world_model_stage import PARTS, loss_of, make_stage
from tests.worlds import tiny_dataset, tiny_world_model
from wm_gym.data.dataset import Dataset
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.training.presets import WorldModelSize
from wm_gym.training.trained_sampling import train_for
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

CONFIG = WorldModelStageConfig(batch_size=6, num_rounds=3, event_fraction=0.5, sampling="swin")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"), num_episodes=10)


def fit(stage: WorldModelStage, num_iterations: int) -> tuple[float, float]:
    """Mean flow of the first and of the last five iterations."""
    optimizer = torch.optim.Adam([each for each in stage.model.parameters() if each.requires_grad], 3e-3)
    flows = []
    for iteration in range(num_iterations):
        loss, metrics = loss_of(stage, iteration, seed=iteration)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        flows.append(float(metrics["flow"]))
    return sum(flows[:5]) / 5, sum(flows[-5:]) / 5


def test_config_and_card_follow_the_sampling(tmp_path: Path) -> None:
    model = tiny_world_model(tmp_path)
    assert model.card.num_denoising_steps == 1
    train_for(model, "swin", SwinConfig(stagger_space="sigma"))
    assert model.decoder.config.swin == SwinConfig(stagger_space="sigma")
    assert model.card.num_denoising_steps == 2
    train_for(model, "autoregressive", SwinConfig())
    assert model.decoder.config.swin is None


def test_stage_trains_for_what_it_is_told(dataset: Dataset) -> None:
    assert make_stage(dataset, CONFIG).model.decoder.config.swin == SwinConfig()
    assert make_stage(dataset, replace(CONFIG, sampling=None)).model.decoder.config.swin is None


@pytest.mark.parametrize("rollout_fraction", [0.0, 1.0])
def test_window_loss_reaches_every_part(dataset: Dataset, rollout_fraction: float) -> None:
    stage = make_stage(dataset, replace(CONFIG, rollout_fraction=rollout_fraction))
    loss, metrics = loss_of(stage)
    loss.backward()
    assert bool(loss.isfinite())
    assert set(metrics) == {"flow", "changed", "reward", "termination"}
    for part in PARTS:
        gradients = [weight.grad for weight in getattr(stage.model, part).parameters()]
        assert sum(each is not None and bool(each.abs().sum() > 0) for each in gradients) > len(gradients) / 2


def test_training_on_windows_lowers_the_loss(dataset: Dataset) -> None:
    before, after = fit(make_stage(dataset, CONFIG), 40)
    assert after < 0.8 * before


@pytest.mark.parametrize(
    "option",
    [
        {"sampling": "autoregressive", "diffusion_forcing": True},
        {"diffusion_forcing": True},
        {"swin": SwinConfig(staggered=False)},
        {"swin": SwinConfig(condition_sigma=0.5)},
        {"recycled_fraction": 1.0},
        {"window_stride": 1},
    ],
)
def test_every_option_changes_the_loss(dataset: Dataset, option: dict[str, object]) -> None:
    config = replace(CONFIG, **option)  # type: ignore[arg-type]
    plain = replace(CONFIG, sampling=config.sampling)
    changed, loss = (loss_of(make_stage(dataset, each), iteration=3)[0] for each in (config, plain))
    assert bool(changed.isfinite())
    assert abs(float((changed - loss).detach())) > 1e-4


OLD_STAGE = set(
    "batch_size num_rounds event_fraction still_fraction history_noise changed_weight changed_threshold head_weight "
    "rollout_fraction rollout_tolerance".split()
)  # what trainings named before there were other options
OLD_SIZE = set(
    "transition_width transition_layers history_rounds sink_rounds decoder_width decoder_layers decoder_heads "
    "ffn_factor num_state_tokens window_chunks past_frames language shift seed".split()
)


def test_an_unused_memory_is_not_named_to_a_resume() -> None:
    assert set(WorldModelSize().describe()) == OLD_SIZE
    assert set(WorldModelSize(memory_rounds=2).describe()) == OLD_SIZE | {"memory_rounds", "memory_slots"}


def test_unused_options_are_not_named_to_a_resume(dataset: Dataset) -> None:
    plain = make_stage(dataset, replace(CONFIG, sampling=None)).describe()
    assert set(plain) == OLD_STAGE | {"decoder"}
    assert make_stage(dataset, CONFIG).describe()["sampling"] == "swin"


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"window_stride": 0}, "window_stride must be at least 1, got 0"),
        ({"action_dropout": 2.0}, r"action_dropout must be in \[0, 1\], got 2.0"),
        ({"state_dropout": -1.0}, r"state_dropout must be in \[0, 1\], got -1.0"),
        ({"recycled_fraction": 1.5}, r"recycled_fraction must be in \[0, 1\], got 1.5"),
    ],
)
def test_options_out_of_range_are_refused(wrong: dict[str, float], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        replace(CONFIG, **wrong)  # type: ignore[arg-type]
