"""Training with memory: the rounds before a segment are those of its episode, and a pass equals the model's steps."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.tolerances import assert_near
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.data.segments import SegmentBatch
from wm_gym.training.earlier_rounds import EarlierRoundsSampler
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.transition.memory_bank import write_round

SLOTS = 6
CONFIG = WorldModelStageConfig(batch_size=6, num_rounds=4, event_fraction=0.0, history_noise=0.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"), num_episodes=8)


def make_stage(
    dataset: Dataset,
    config: WorldModelStageConfig = CONFIG,
    sampler_class: type[MixtureSampler] = MixtureSampler,
) -> WorldModelStage:
    size = replace(tiny_size(), memory_rounds=3, memory_slots=SLOTS)
    mixture = Mixture((dataset,))
    model = untrained_world_model(mixture, tiny_autoencoder(), size)
    sampler = sampler_class(
        mixture, num_rounds=config.num_rounds, batch_size=config.batch_size, event_fraction=0.0, num_ahead=0
    )
    return WorldModelStage(model, sampler, config)


def late_iteration(stage: WorldModelStage) -> int:
    """One with segments that begin more than `SLOTS` rounds into their episode, and with others that begin at once."""
    for number in range(200):
        starts = [start for _, start in stage.sampler.samplers[0].starts(number)]
        if max(starts) > SLOTS and 0 < sorted(starts)[1] < SLOTS:
            return number
    raise AssertionError("the dataset has no such batch")


@torch.no_grad()
def test_earlier_rounds_are_those_of_the_episode(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    iteration, texts = late_iteration(stage), dataset.action_texts
    earlier = EarlierRoundsSampler(stage.sampler, stage.model.autoencoder, SLOTS).before(iteration)
    for row, (index, begin) in enumerate(stage.sampler.samplers[0].starts(iteration)):
        episode, count = dataset[index], min(begin, SLOTS)
        seen = stage.model.autoencoder.encode(torch.from_numpy(episode.observations[begin - count : begin]))
        assert int(earlier.rounds[row]) == begin
        assert_near(earlier.latents[row, SLOTS - count :], seen)
        assert not earlier.latents[row, : SLOTS - count].any()
        said = [texts[action] for action in earlier.actions[row, SLOTS - count :]]
        assert tuple(said) == episode.actions[begin - count : begin]
        assert np.isnan(earlier.controls[row]).all()


def test_few_cached_episodes_give_the_same_rounds(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    autoencoder = stage.model.autoencoder
    large, small = (EarlierRoundsSampler(stage.sampler, autoencoder, SLOTS, cache_bytes=size) for size in (10**9, 1))
    for iteration in (0, 3, 0):
        assert torch.equal(large.before(iteration).latents, small.before(iteration).latents)


@torch.no_grad()
def test_a_training_pass_equals_steps_on_the_caches(dataset: Dataset) -> None:
    """In float64: the memory is written from the episode's first round on, the history begins with the segment."""
    stage = make_stage(dataset)
    model = stage.model.double().eval()
    transition, iteration = model.transition, late_iteration(stage)
    batch, bank = stage.sampler.sample(iteration), stage._bank(iteration)
    assert bank is not None
    latents = model.autoencoder.encode(torch.from_numpy(batch.observations))[:, :-1]
    tokens = model.encoder(latents.flatten(0, 1)).unflatten(0, batch.mask.shape)
    actions = stage._action_tokens(batch.actions, batch.controls)
    states = transition(tokens, actions)
    pictures = stage._remembered(latents, actions, bank, torch.Generator(), actions)
    recalled = 0
    for row, (index, begin) in enumerate(stage.sampler.samplers[0].starts(iteration)):
        episode, memory, cache = dataset[index], transition.empty_memory(1), transition.empty_cache(1)
        seen = model.autoencoder.encode(torch.from_numpy(episode.observations))
        said = model.encode_actions(episode.actions)
        for number in range(min(begin + CONFIG.num_rounds, episode.num_steps)):
            assert memory is not None
            if number >= begin:
                now = slice(number, number + 1)
                rounds = transition.recall(memory, seen[now])
                state, cache = transition.step(cache, model.encoder(seen[now]), said[now])
                ours = states[row, number - begin][None]
                assert (ours - state).abs().max() < 1e-6  # the language model's RoPE is float32 whatever its dtype
                assert_near(pictures[row, number - begin], transition.remember(said[now], rounds)[0])
                recalled += int(rounds.real.sum())
            memory = write_round(memory, seen[number : number + 1], said[number : number + 1])
    assert recalled > 3 * CONFIG.batch_size


def test_gradient_reaches_the_reader(dataset: Dataset) -> None:
    stage = make_stage(dataset, replace(CONFIG, history_noise=0.1))
    reader = stage.model.transition.reader
    assert reader is not None
    loss, metrics = stage.loss(late_iteration(stage), torch.Generator().manual_seed(0))
    loss.backward()
    assert set(metrics) == {"flow", "changed", "reward", "termination", "recall"}
    for name, weight in reader.named_parameters():
        assert weight.grad is not None, name
        assert bool(weight.grad.abs().sum() > 0), name


def test_recall_loss_is_none_for_the_picture_that_comes_and_one_for_no_picture(dataset: Dataset) -> None:
    stage, mask = make_stage(dataset), torch.tensor([[True, True, False]])
    reached = torch.randn(1, 3, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))
    right = reached.clone()
    right[:, 2] = 9.0  # after the end of the episode
    assert float(stage._recall_loss(right, reached, mask)) == 0
    assert float(stage._recall_loss(torch.zeros_like(reached), reached, mask)) == pytest.approx(1)


def test_reader_learns_what_comes_next(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    reader, iteration = stage.model.transition.reader, late_iteration(stage)
    assert reader is not None
    optimizer, errors = torch.optim.Adam(reader.parameters(), lr=3e-2), []
    for _ in range(60):
        loss, metrics = stage.loss(iteration, torch.Generator().manual_seed(0))
        errors.append(float(metrics["recall"]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert min(errors[-5:]) < 0.7 * errors[0]


def test_a_rollout_recalls_as_the_model_does(dataset: Dataset) -> None:
    """Blanking the earlier rounds changes what is dreamt, and so the loss."""
    stage = make_stage(dataset, replace(CONFIG, rollout_fraction=1.0, rollout_tolerance=100.0))
    iteration = late_iteration(stage)
    bank, batch = stage._bank(iteration), stage.sampler.sample(iteration)
    assert bank is not None
    latents = stage.model.autoencoder.encode(torch.from_numpy(batch.observations))
    actions = stage._action_tokens(batch.actions, batch.controls).detach()
    blank = replace(bank, latents=torch.zeros_like(bank.latents))
    one, other = (
        stage._dream(latents[:, :1], actions, torch.Generator().manual_seed(0), each) for each in (bank, blank)
    )
    assert (one - other).abs().max() > 1e-3


def test_dropout_leaves_that_share_of_the_rounds_without_tokens(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    kept = stage._kept((CONFIG.batch_size, 400), 0.25, torch.Generator().manual_seed(0))
    assert isinstance(kept, torch.Tensor)
    assert kept.shape == (CONFIG.batch_size, 400, 1, 1)  # whole rounds
    assert float(kept.float().mean()) == pytest.approx(0.75, abs=0.03)
    assert stage._kept((CONFIG.batch_size, 400), 0.0, torch.Generator()) == 1.0


def test_with_a_memory_the_rounds_before_an_event_know_of_it_and_do_not_count(dataset: Dataset) -> None:
    """As a step does it, which reads its history again as if the event had been known in all of it."""
    stage = make_stage(dataset)
    stage.model.eval()
    stage._event_texts = stage._read(("", "it rains", "a door opens"))
    indices = np.array([[0, 0, 0, 0], [1, 0, 2, 0]])
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    own = stage._event_tokens(indices)
    events, counted = stage._known_events(indices, own, mask)
    assert counted.tolist() == [[True] * 4, [False, False, True, False]]
    assert not events[0].any()
    expected = stage.model.encode_actions(["a door opens"])[0] - stage.model.encode_actions([""])[0]
    assert_near(events[1, :3], expected.expand(3, -1, -1))
    assert not events[1, 3].any()
    stage._earlier = None
    events, counted = stage._known_events(indices, own, mask)
    assert torch.equal(counted, mask)
    assert torch.equal(events, own)
    assert not own[1, 1].any()
    assert (own[1, 0] - own[1, 2]).abs().max() > 1e-3


@dataclass
class Remembering:
    """A function, and what it gave."""

    function: Any
    given: list[torch.Tensor]

    def __call__(self, *arguments: Any) -> torch.Tensor:
        self.given.append(self.function(*arguments))
        return self.given[-1]


class LateEvents(MixtureSampler):
    """Segments in whose last round something happens."""

    def sample(self, iteration: int) -> SegmentBatch:
        batch = super().sample(iteration)
        events = np.zeros_like(batch.world_events)
        events[:, -1] = 1
        return replace(batch, world_events=events)


def test_a_dream_before_an_event_does_not_know_of_it(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    dreamt: list[torch.Tensor] = []
    for kind in (MixtureSampler, LateEvents):
        stage = make_stage(dataset, replace(CONFIG, rollout_fraction=1.0, rollout_tolerance=100.0), sampler_class=kind)
        stage._event_texts = stage._read(("", "it rains"))
        monkeypatch.setattr(stage, "_dream", Remembering(stage._dream, dreamt))
        loss, _ = stage.loss(late_iteration(stage), torch.Generator().manual_seed(0))
        assert loss.isfinite()
    assert torch.equal(*dreamt)


def test_a_batch_in_which_no_round_counts_has_a_loss(dataset: Dataset) -> None:
    """The dream is wrong before the event, and what comes before the event does not count."""
    config = replace(CONFIG, rollout_fraction=1.0, rollout_tolerance=1e-6)
    stage = make_stage(dataset, config, sampler_class=LateEvents)
    stage._event_texts = stage._read(("", "it rains"))
    loss, metrics = stage.loss(late_iteration(stage), torch.Generator().manual_seed(0))
    loss.backward()
    assert loss.isfinite()
    assert float(metrics["reward"]) == float(metrics["termination"]) == 0.0


def test_a_memory_keeps_rounds_without_their_events(dataset: Dataset) -> None:
    stage = make_stage(dataset)
    iteration = late_iteration(stage)
    batch, bank = stage.sampler.sample(iteration), stage._bank(iteration)
    assert bank is not None
    seen = stage.model.autoencoder.encode(torch.from_numpy(batch.observations))[:, :-1]
    said = stage._action_tokens(batch.actions, batch.controls)
    happened = said + 1.0
    eventful, plain, forgetful = (
        stage._remembered(seen, told, bank, torch.Generator(), written)
        for told, written in ((happened, said), (said, said), (happened, happened))
    )
    assert (eventful - plain)[:, 0].abs().max() > 1e-4  # told of what happens now
    assert torch.equal(eventful[:, 0], forgetful[:, 0])
    assert (eventful - forgetful)[:, 1:].abs().max() > 1e-6  # but the rounds before are kept as they were said


@pytest.mark.parametrize("name", ["action_dropout", "state_dropout"])
def test_dropped_conditions_change_the_loss(dataset: Dataset, name: str) -> None:
    shares: list[dict[str, Any]] = [{name: 1e-9}, {name: 1.0}]  # as many random numbers are drawn for both
    plain, dropping = (make_stage(dataset, replace(CONFIG, **share)) for share in shares)
    one, other = (stage.loss(0, torch.Generator().manual_seed(0))[1]["flow"] for stage in (plain, dropping))
    assert abs(float(one - other)) > 1e-5
