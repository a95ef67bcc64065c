"""The world model's loss: where its gradient goes, what it masks, and that it falls."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_near
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.data.segments import SegmentBatch
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.world_model import WorldModel

CONFIG = WorldModelStageConfig(batch_size=6, num_rounds=3, event_fraction=0.5)
QUIET = replace(CONFIG, history_noise=0.0)
PARTS = ("encoder", "action_encoder", "transition", "decoder", "heads")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"), num_episodes=10)


class ChangedLater(MixtureSampler):
    """Segments whose observations from number `first_changed` on are negatives."""

    first_changed = 2

    def sample(self, iteration: int) -> SegmentBatch:
        batch = super().sample(iteration)
        observations = batch.observations.copy()
        observations[:, self.first_changed :] = 255 - observations[:, self.first_changed :]
        return replace(batch, observations=observations)


class ChangedPadding(MixtureSampler):
    """Segments with other observations, actions and rewards after an episode's end."""

    def sample(self, iteration: int) -> SegmentBatch:
        batch = super().sample(iteration)
        observations, actions, rewards = batch.observations.copy(), batch.actions.copy(), batch.rewards.copy()
        observations[:, 1:][~batch.mask] = 77
        actions[~batch.mask] = 1
        rewards[~batch.mask] = 1
        return replace(
            batch,
            observations=observations,
            actions=actions,
            rewards=rewards,
            terminated=batch.terminated | ~batch.mask,
        )


def make_stage(
    dataset: Dataset,
    config: WorldModelStageConfig = CONFIG,
    window_chunks: int = 1,
    sampler_class: type[MixtureSampler] = MixtureSampler,
) -> WorldModelStage:
    model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size(window_chunks))
    sampler = sampler_class(
        Mixture((dataset,)),
        num_rounds=config.num_rounds,
        batch_size=config.batch_size,
        event_fraction=config.event_fraction,
    )
    return WorldModelStage(model, sampler, config)


def loss_of(stage: WorldModelStage, iteration: int = 0, seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    return stage.loss(iteration, torch.Generator().manual_seed(seed))


def repeat_the_last_frame(model: WorldModel) -> None:
    """Makes the residual 0, whatever the input."""
    torch.nn.init.zeros_(model.decoder.transformer.proj_out.weight)
    torch.nn.init.zeros_(model.decoder.transformer.proj_out.bias)


@pytest.mark.parametrize("rollout_fraction", [0.0, 1.0])
@pytest.mark.parametrize("window_chunks", [1, 2])
def test_loss_is_a_finite_scalar_with_detached_metrics(
    dataset: Dataset, window_chunks: int, rollout_fraction: float
) -> None:
    loss, metrics = loss_of(make_stage(dataset, replace(CONFIG, rollout_fraction=rollout_fraction), window_chunks))
    assert loss.shape == ()
    assert bool(loss.isfinite())
    assert set(metrics) == {"flow", "changed", "reward", "termination"}
    assert all(bool(value.isfinite()) and not value.requires_grad for value in metrics.values())


def test_loss_is_flow_and_weighted_heads(dataset: Dataset) -> None:
    loss, metrics = loss_of(make_stage(dataset, replace(CONFIG, head_weight=0.25)))
    assert_near(loss.detach(), metrics["flow"] + 0.25 * (metrics["reward"] + metrics["termination"]))


def test_gradient_reaches_every_part_but_the_autoencoder(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    loss_of(stage)[0].backward()
    for part in PARTS:
        gradients = [weight.grad for weight in getattr(stage.model, part).parameters()]
        assert (
            sum(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients) > len(gradients) / 2
        )
    assert not any(weight.requires_grad for weight in stage.model.autoencoder.parameters())
    assert all(weight.grad is None for weight in stage.model.autoencoder.parameters())


@pytest.mark.parametrize("part", ["encoder", "action_encoder", "transition"])
def test_flow_loss_reaches_the_transition_through_the_latent_state(dataset: Dataset, part: str) -> None:
    stage = make_stage(dataset, replace(CONFIG, head_weight=0.0))
    loss_of(stage)[0].backward()
    gradients = [weight.grad for weight in getattr(stage.model, part).parameters() if weight.grad is not None]
    assert sum(float(gradient.abs().sum()) for gradient in gradients) > 0


@pytest.mark.parametrize("rollout_fraction", [0.0, 0.5, 1.0])
def test_loss_is_a_function_of_iteration_and_generator(dataset: Dataset, rollout_fraction: float) -> None:
    config = replace(CONFIG, rollout_fraction=rollout_fraction)
    torch.manual_seed(1)
    first, _ = loss_of(make_stage(dataset, config))
    torch.manual_seed(2)
    stage = make_stage(dataset, config)
    loss_of(stage, iteration=5, seed=9)
    assert torch.equal(loss_of(stage)[0], first)
    assert not torch.equal(loss_of(stage, iteration=1)[0], first)
    assert not torch.equal(loss_of(stage, seed=1)[0], first)


@torch.no_grad()
@pytest.mark.parametrize("window_chunks", [1, 2])
def test_flow_compares_the_answer_with_the_next_observation(dataset: Dataset, window_chunks: int) -> None:
    stage = make_stage(dataset, QUIET, window_chunks)
    repeat_the_last_frame(stage.model)
    _, metrics = loss_of(stage, iteration=4)
    batch = stage.sampler.sample(4)
    latents = stage.model.autoencoder.encode(torch.from_numpy(batch.observations))[:, :, 0]
    error = (latents[:, 1:] - latents[:, :-1]).pow(2).mean(dim=2)  # (batch, rounds, h, w)
    changed = (error.sqrt() > QUIET.changed_threshold).float()
    weight = (1 + QUIET.changed_weight * changed) * torch.from_numpy(batch.mask)[:, :, None, None]
    assert 0 < changed.sum() < changed.numel()
    assert_near(metrics["flow"], (error * weight).sum() / weight.sum())
    assert_near(metrics["changed"], (error * changed * weight).sum() / (changed * weight).sum())


@torch.no_grad()
def test_velocity_of_latents_at_zero_is_the_noise(dataset: Dataset) -> None:
    """So a network that says 0 is off by standard normal noise, whatever sigma."""
    stage = make_stage(dataset, replace(QUIET, changed_weight=0.0))
    stage.model.decoder.config = replace(stage.model.decoder.config, prediction_target="velocity")
    repeat_the_last_frame(stage.model)
    for weight in stage.model.autoencoder.encoder[-2].parameters():
        weight.zero_()
    _, metrics = loss_of(stage)
    assert float(metrics["flow"]) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("target", ["clean", "velocity"])
def test_other_targets_train_too(dataset: Dataset, target: str) -> None:
    stage = make_stage(dataset)
    stage.model.decoder.config = replace(stage.model.decoder.config, prediction_target=target)  # type: ignore[arg-type]
    before, after = fit(stage, 40)
    assert after < 0.8 * before


def test_padding_does_not_matter(dataset: Dataset) -> None:
    config = replace(CONFIG, num_rounds=4, batch_size=24, event_fraction=0.0)
    plain, changed = (make_stage(dataset, config, sampler_class=kind) for kind in (MixtureSampler, ChangedPadding))
    iteration = next(number for number in range(50) if not plain.sampler.sample(number).mask.all())
    for name, value in loss_of(plain, iteration)[1].items():
        assert_near(loss_of(changed, iteration)[1][name], value)


def test_later_observations_matter_without_a_rollout(dataset: Dataset) -> None:
    plain, changed = (make_stage(dataset, sampler_class=kind) for kind in (MixtureSampler, ChangedLater))
    assert abs(float(loss_of(plain)[1]["flow"] - loss_of(changed)[1]["flow"])) > 1e-3


def test_states_that_left_the_truth_are_masked(dataset: Dataset) -> None:
    """An untrained dream is wrong at once, so that only the first round of a segment counts."""
    config = replace(CONFIG, rollout_fraction=1.0)
    plain, changed = (make_stage(dataset, config, sampler_class=kind) for kind in (MixtureSampler, ChangedLater))
    for name, value in loss_of(plain)[1].items():
        assert_near(loss_of(changed)[1][name], value)


def test_a_dream_that_came_back_to_the_truth_stays_masked(dataset: Dataset) -> None:
    true = torch.zeros(2, 4, 1, 4, 4, 4)
    dreamt = true.clone()
    dreamt[0, 1, 0, :, 2, 3] = 1.5 * CONFIG.rollout_tolerance  # one cell of one state
    dreamt[1] = 0.5 * CONFIG.rollout_tolerance
    kept = make_stage(dataset)._still_true(dreamt, true)
    assert kept.tolist() == [[True, False, False, False], [True] * 4]


def test_states_within_the_tolerance_are_kept(dataset: Dataset) -> None:
    config = replace(CONFIG, rollout_fraction=1.0, rollout_tolerance=100.0)
    plain, changed = (make_stage(dataset, config, sampler_class=kind) for kind in (MixtureSampler, ChangedLater))
    assert abs(float(loss_of(plain)[1]["flow"] - loss_of(changed)[1]["flow"])) > 1e-3


@torch.no_grad()
@pytest.mark.parametrize("window_chunks", [1, 2])
def test_dream_is_what_the_model_steps_through(dataset: Dataset, window_chunks: int) -> None:
    stage = make_stage(dataset, window_chunks=window_chunks)
    model, batch = stage.model.eval(), stage.sampler.sample(0)
    model.decoder.transformer.patch_embedding.weight[:, : model.autoencoder.latent_channels] = 0  # blind to noise
    texts = [[dataset.action_texts[action] for action in row] for row in batch.actions]
    state = model.reset(batch.observations[:, 0], seeds=list(range(len(texts))))
    reached = [state.latents]
    for number in range(CONFIG.num_rounds - 1):
        state, _ = model.step(state, [row[number] for row in texts])
        reached.append(state.latents)
    latents = model.autoencoder.encode(torch.from_numpy(batch.observations))
    actions = torch.stack([model.encode_actions(row) for row in texts])
    assert len({row[0] for row in texts}) > 1
    dreamt = stage._dream(latents[:, :1], actions, torch.Generator().manual_seed(0))
    torch.testing.assert_close(dreamt, torch.stack(reached, dim=1), atol=2e-3, rtol=0)  # a pixel rounds either way


@torch.no_grad()
def test_loss_takes_the_dream_as_history(dataset: Dataset) -> None:
    """With a residual of 0 the dream repeats its first frame as the autoencoder redraws it, and so does the loss."""
    config = replace(QUIET, rollout_fraction=1.0, rollout_tolerance=100.0, changed_weight=0.0)
    stage = make_stage(dataset, config)
    repeat_the_last_frame(stage.model)
    _, metrics = loss_of(stage)
    batch = stage.sampler.sample(0)
    latents = stage.model.autoencoder.encode(torch.from_numpy(batch.observations))[:, :, 0]
    state = stage.model.reset(batch.observations[:, 0], seeds=list(range(config.batch_size)))
    history = [state.latents[:, 0]]
    for _ in range(config.num_rounds - 1):
        state, _ = stage.model.step(state, ["wait"] * config.batch_size)
        history.append(state.latents[:, 0])
    error = (torch.stack(history, dim=1) - latents[:, 1:]).pow(2).mean(dim=2)
    mask = torch.from_numpy(batch.mask)[:, :, None, None].expand_as(error)
    assert_near(metrics["flow"], error[mask].mean())


def fit(stage: WorldModelStage, num_iterations: int) -> tuple[float, float]:
    """Train on; the mean flow loss of the first and the last five iterations."""
    parameters = [weight for weight in stage.module.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    flows = []
    for iteration in range(num_iterations):
        optimizer.zero_grad()
        loss, metrics = loss_of(stage, iteration, seed=iteration)
        loss.backward()
        optimizer.step()
        flows.append(float(metrics["flow"]))
    return sum(flows[:5]) / 5, sum(flows[-5:]) / 5


def test_a_few_dozen_iterations_lower_the_flow_loss(dataset: Dataset) -> None:
    before, after = fit(make_stage(dataset, replace(CONFIG, history_noise=0.05)), 60)
    assert after < 0.3 * before


def test_export_is_a_checkpoint(dataset: Dataset, tmp_path: Path) -> None:
    stage = make_stage(dataset)
    stage.export(stage.module, tmp_path / "slide")
    weights = WorldModel.from_pretrained(tmp_path / "slide").state_dict()
    assert all(torch.equal(weights[name], value) for name, value in stage.model.state_dict().items())


def test_description_is_json_and_knows_the_target(dataset: Dataset) -> None:
    described = json.loads(json.dumps(make_stage(dataset).describe()))
    assert described["decoder"]["prediction_target"] == "residual"
    assert described["num_rounds"] == 3


@torch.no_grad()
@pytest.mark.parametrize("language", ["", "minilm"])
def test_events_are_told_as_a_step_tells_them(tmp_path: Path, language: str) -> None:
    plain = list(tiny_dataset(tmp_path / "plain", num_episodes=3))
    events = [("it rains", *[""] * (episode.num_steps - 1)) for episode in plain]
    with DatasetWriter.open(tmp_path / "eventful", Dataset.open(tmp_path / "plain").manifest) as writer:
        for episode, happened in zip(plain, events, strict=True):
            writer.append(replace(episode, world_events=happened))
    mixture = Mixture((Dataset.open(tmp_path / "eventful"),))
    model = untrained_world_model(mixture, tiny_autoencoder(), replace(tiny_size(), language=language))
    sampler = MixtureSampler(mixture, num_rounds=12, batch_size=2)
    stage = WorldModelStage(model, sampler, replace(QUIET, batch_size=2, num_rounds=12))
    batch = sampler.sample(0)
    assert not stage._event_tokens(batch.world_events)[:, 1:].any()  # not even under dropout
    model.eval()
    told = stage._event_tokens(batch.world_events)
    expected = model.encode_actions(["it rains"])[0] - model.encode_actions([""])[0]
    torch.testing.assert_close(told[:, 0], expected.expand(2, -1, -1), atol=1e-5, rtol=0)
    assert expected.abs().max() > 1e-3


def test_events_change_the_loss(dataset: Dataset) -> None:
    class Eventful(MixtureSampler):
        """Segments in which something happens in every round."""

        def sample(self, iteration: int) -> SegmentBatch:
            batch = super().sample(iteration)
            return replace(batch, world_events=np.ones_like(batch.world_events))

    plain, eventful = (make_stage(dataset, QUIET, sampler_class=kind) for kind in (MixtureSampler, Eventful))
    eventful._event_texts = eventful._read(("", "it rains"))
    assert abs(float(loss_of(plain)[1]["flow"] - loss_of(eventful)[1]["flow"])) > 1e-5
