"""A trained model given what it lacks: it dreams on as before."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.worlds import tiny_general_model, tiny_world_model
from wm_gym.training.extended_parts import with_memory, with_past_frames
from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

ACTIONS = ("turn left", "move forward", "move forward", "turn right", "move forward", "turn left")


@pytest.fixture(scope="module")
def shipped() -> WorldModel:
    return WorldModel.from_pretrained("minigrid")


def dream(model: WorldModel) -> WorldState:
    """The state of two worlds after a few texts."""
    frames = model.starts["minigrid"][:2].repeat(1, model.kept_frames, 1, 1, 1)
    state = model.reset(frames, seeds=[0, 1])
    for action in ACTIONS:
        state, _ = model.step(state, [action] * 2)
    return state


def most_levels_apart(one: WorldState, other: WorldState) -> int:
    return int((one.frames[:, -1].int() - other.frames[:, -1].int()).abs().max())


def test_a_model_that_is_given_a_memory_dreams_on_as_before(shipped: WorldModel) -> None:
    given = dream(WorldModel(with_memory(shipped.parts(), memory_rounds=8, memory_slots=32)).eval())
    assert given.memory is not None
    assert given.memory.rounds.tolist() == [6, 6]
    assert most_levels_apart(given, dream(shipped)) <= 1


def test_a_memory_is_given_once(shipped: WorldModel) -> None:
    parts = with_memory(shipped.parts(), memory_rounds=3, memory_recency=2.0)
    assert parts.transition.memory == replace(MemoryConfig(), rounds=3, recency=2.0)
    with pytest.raises(ValueError, match="model must have no memory yet, got one of 3 rounds"):
        with_memory(parts, memory_rounds=8)


def test_a_model_that_looks_further_back_dreams_on_as_before(shipped: WorldModel) -> None:
    further = WorldModel(with_past_frames(shipped.parts(), 3)).eval()
    assert (further.kept_frames, shipped.kept_frames) == (3, 1)
    assert most_levels_apart(dream(further), dream(shipped)) <= 1


def test_new_frames_are_the_oldest(tmp_path: Path) -> None:
    model = tiny_general_model(tmp_path)
    weight = with_past_frames(model.parts(), 4).decoder.transformer.patch_embedding.weight
    channels = model.decoder.config.latent_channels
    used = weight.abs().amax(dim=(0, 2, 3, 4)).nonzero().flatten().tolist()
    assert used == [*range(channels), *range(3 * channels, 5 * channels + 2)]


def test_a_model_that_looks_further_back_learns_from_it(shipped: WorldModel) -> None:
    decoder = with_past_frames(shipped.parts(), 2).decoder.train()
    config = decoder.config
    noisy = torch.randn(1, 1, config.chunk_frames, config.latent_channels, *config.latent_size)
    past = torch.randn(1, 1, 2, config.latent_channels, *config.latent_size)
    latent_state = torch.randn(1, 1, 4, decoder.transformer.config.text_dim)
    decoder(noisy, past, torch.full((1, 1), 0.5), latent_state).square().mean().backward()
    gradient = decoder.transformer.patch_embedding.weight.grad
    assert gradient is not None
    first = config.first_channel("last")
    assert gradient[:, first : first + config.latent_channels].abs().max() > 0


def test_no_fewer_frames_are_given(tmp_path: Path) -> None:
    model = tiny_world_model(tmp_path)
    with pytest.raises(ValueError, match="past_frames must be more than the model's own 1, got 1"):
        with_past_frames(model.parts(), 1)
