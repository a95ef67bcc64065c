"""A model learns of more worlds without doing anything else in those that it knows."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tolerances import assert_near
from tests.training.finetuning import Swim, swim_dataset
from tests.worlds import Slide, Steer, steer_at_random, tiny_dataset, tiny_world_model
from wm_gym.checkpoint import Parts
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.recording import record
from wm_gym.training.finetune_worlds import with_worlds
from wm_gym.transition.language_action_encoder import LanguageActionEncoder, LanguageActionEncoderConfig
from wm_gym.world_model import WorldModel


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """An untrained model of `Slide` that was measured once."""
    parts = tiny_world_model(tmp_path_factory.mktemp("slide")).parts()
    return replace(parts, card=replace(parts.card, metrics={"psnr": 30.0}, weights_hash="a"))


@pytest.fixture(scope="module")
def swim(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return swim_dataset(tmp_path_factory.mktemp("swim"))


@pytest.fixture(scope="module")
def steer(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("steer")
    return record(Steer(), steer_at_random, output=folder, num_episodes=2, max_steps=4, progress=False)


def with_language(parts: Parts, max_controls: int) -> Parts:
    """The parts with an encoder that takes numbers."""
    config = LanguageActionEncoderConfig(feature_width=8, width=24, num_text_tokens=3, max_controls=max_controls)
    return replace(parts, action_encoder=LanguageActionEncoder.build(config).eval())


def changed(dataset: Dataset, **facts: Any) -> Dataset:
    """The dataset with other facts in its manifest."""
    return Dataset(dataset.folder, replace(dataset.manifest, **facts), dataset.entries)


def test_a_new_world_comes_onto_the_card(parts: Parts, swim: Dataset) -> None:
    card = with_worlds(parts, [swim]).card
    assert list(card.worlds) == ["slide", "swim"]
    assert card.worlds["slide"] == parts.card.worlds["slide"]
    assert (card.worlds["swim"].action_phrases, card.worlds["swim"].key_map) == (Swim.action_phrases, Swim.key_map)
    assert card.worlds["swim"].reward_range[0] == -0.25


def test_what_was_measured_does_not_hold_any_more(parts: Parts, swim: Dataset) -> None:
    card = with_worlds(parts, [swim]).card
    assert (card.metrics, card.weights_hash) == ({}, "")


def test_a_new_world_brings_its_start_frames(parts: Parts, swim: Dataset) -> None:
    starts = with_worlds(parts, [swim]).starts
    assert torch.equal(starts["slide"], parts.starts["slide"])
    assert torch.equal(starts["swim"][0], torch.from_numpy(swim[0].observations[0]))


def test_known_worlds_step_as_before(parts: Parts, swim: Dataset) -> None:
    before, after = WorldModel(parts), WorldModel(with_worlds(parts, [swim]))
    texts = ["go left", "slide down", "", "any text at all"]
    states = [model.reset(model.starts["slide"][:4], seeds=range(4)) for model in (before, after)]
    for _ in range(3):
        steps = [model.step(state, texts) for model, state in zip((before, after), states, strict=True)]
        states = [state for state, _ in steps]
        expected, output = (output for _, output in steps)
        assert torch.equal(output.frames, expected.frames)
        assert torch.equal(output.reward, expected.reward)
        assert_near(output.termination_probability, expected.termination_probability)


def test_heads_say_the_rewards_of_both_worlds(parts: Parts, swim: Dataset) -> None:
    values = with_worlds(parts, [swim]).heads.config["reward_values"]
    rewards = {float(reward) for episode in swim for reward in episode.rewards}
    assert set(values) == {0.0, 1.0} | rewards
    assert list(values) == sorted(values)


@torch.no_grad()
def test_a_new_reward_begins_below_the_mean_of_the_known(parts: Parts, swim: Dataset) -> None:
    heads = with_worlds(parts, [swim]).heads
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(5, tokens, 24, generator=generator) for tokens in (3, 4)]
    known, _ = parts.heads(*inputs)
    logits, _ = heads(*inputs)
    new = list(heads.config["reward_values"]).index(-0.25)
    num_new = logits.shape[1] - known.shape[1]
    assert_near(logits[:, new], known.mean(dim=1) - 4 - math.log(num_new))


def test_the_recording_of_a_known_world_changes_nothing(parts: Parts, tmp_path: Path) -> None:
    grown = with_worlds(parts, [tiny_dataset(tmp_path)])
    assert grown.card.worlds == parts.card.worlds
    assert torch.equal(grown.starts["slide"], parts.starts["slide"])
    assert grown.heads is parts.heads


def test_new_phrasings_keys_and_starts_come_after_the_known(parts: Parts, tmp_path: Path) -> None:
    phrases = {"left": ("move left", "go left"), "jump": ("jump",), "rest": ("wait",)}
    more = changed(
        tiny_dataset(tmp_path, num_episodes=12), action_phrases=phrases, key_map={"left": "jump", "j": "jump"}
    )
    grown = with_worlds(parts, [more])
    card, known = grown.card.worlds["slide"], parts.card.worlds["slide"]
    assert card.action_phrases == {
        **Slide.action_phrases,
        "left": (*Slide.action_phrases["left"], "move left"),
        "jump": ("jump",),
    }
    assert card.key_map == {**known.key_map, "j": "jump"}
    num_known = len(parts.starts["slide"])
    assert torch.equal(grown.starts["slide"][:num_known], parts.starts["slide"])
    assert num_known < len(grown.starts["slide"]) < num_known + 12


def test_two_recordings_of_a_new_world_are_one_world(parts: Parts, swim: Dataset) -> None:
    other = changed(swim, action_phrases={"dive": ("dive",)})
    world = with_worlds(parts, [swim, other]).card.worlds["swim"]
    assert world.action_phrases == {**Swim.action_phrases, "dive": ("dive",)}


def test_pong_brings_no_start_frames(parts: Parts, swim: Dataset) -> None:
    grown = with_worlds(parts, [changed(swim, world="pong")])
    assert (list(grown.card.worlds), list(grown.starts)) == (["slide", "pong"], ["slide"])


def test_a_world_of_numbers_brings_their_range(parts: Parts, steer: Dataset) -> None:
    grown = with_worlds(with_language(parts, 4), [steer])
    world = grown.card.worlds["steer"]
    assert (world.control_low, world.control_high) == ((-1.0, 0.0), (1.0, 1.0))
    assert grown.action_encoder.num_tokens == 4


@torch.no_grad()
def test_more_numbers_leave_fewer_ones_as_they_were(parts: Parts, steer: Dataset) -> None:
    one = with_language(parts, 1)
    encoder = with_worlds(one, [steer]).action_encoder
    assert isinstance(encoder, LanguageActionEncoder) and isinstance(one.action_encoder, LanguageActionEncoder)
    assert encoder.max_controls == 2
    numbers = torch.tensor([[0.5], [-1.0]])
    assert_near(encoder.encode_controls(numbers), one.action_encoder.encode_controls(numbers))
    features, real = torch.ones(2, 3, 8), torch.ones(2, 3, dtype=torch.bool)
    assert torch.equal(encoder(features, real), one.action_encoder(features, real))


def test_numbers_need_a_language_model(parts: Parts, steer: Dataset) -> None:
    with pytest.raises(ValueError, match=r"checkpoint must read texts with a language model .*--size.language minilm"):
        with_worlds(parts, [steer])


def test_another_range_of_numbers_is_refused(parts: Parts, steer: Dataset) -> None:
    known = with_worlds(with_language(parts, 4), [steer])
    with pytest.raises(DatasetError, match=r"control_low and control_high of .* must be .*; record with that range"):
        with_worlds(known, [changed(steer, control_low=(-2.0, 0.0))])


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"frame_size": (64, 96)}, r"frame_size of .* must be \(32, 32\) .*; record with --frame-size 32 32"),
        ({"chunk_frames": 2}, r"chunk_frames of .* must be 1 .*; record an env whose observations hold 1 frames"),
        ({"world": "ns/Swim-v0"}, r"world of .* must be letters, digits, - and _, got 'ns/Swim-v0'; give the env"),
    ],
)
def test_a_recording_that_does_not_fit_is_refused(
    parts: Parts, swim: Dataset, facts: dict[str, Any], problem: str
) -> None:
    with pytest.raises(DatasetError, match=problem):
        with_worlds(parts, [changed(swim, **facts)])


def test_texts_that_no_world_takes_are_refused(parts: Parts, swim: Dataset) -> None:
    entries = tuple(replace(entry, action_counts={"nage \u00e0 gauche": 8}) for entry in swim.entries)
    with pytest.raises(DatasetError, match=r"texts of .*: action must be printable ASCII .*; record with other texts"):
        with_worlds(parts, [Dataset(swim.folder, swim.manifest, entries)])
