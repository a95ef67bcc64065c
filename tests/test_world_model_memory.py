"""A world model with memory: its state carries the bank, and a step equals what training computes."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.data.mixture import Mixture
from wm_gym.training.presets import untrained_world_model
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

SLOTS = 16
ACTIONS = ["go left", "go right", "wait", "go down", "go left", "slide right"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Mixture:
    return Mixture((tiny_dataset(tmp_path_factory.mktemp("data")),))


def recalling_model(data: Mixture) -> WorldModel:
    """An untrained model with a memory."""
    size = replace(tiny_size(), memory_rounds=3, memory_slots=SLOTS)
    return untrained_world_model(data, tiny_autoencoder(), size).eval()


@pytest.fixture(scope="module")
def model(data: Mixture) -> WorldModel:
    return recalling_model(data)


def start(model: WorldModel, batch_size: int = 2) -> WorldState:
    return model.reset(model.starts["slide"][:batch_size], seeds=list(range(batch_size)))


def play(model: WorldModel, state: WorldState, num_steps: int) -> WorldState:
    for number in range(num_steps):
        actions = [ACTIONS[(number + row) % len(ACTIONS)] for row in range(state.batch_size)]
        state, _ = model.step(state, actions)
    return state


def same_state(one: WorldState, other: WorldState) -> bool:
    tensors, others = one.tensors(), other.tensors()
    return tensors.keys() == others.keys() and all(torch.equal(each, others[name]) for name, each in tensors.items())


def test_state_has_the_bank_only_with_a_memory(model: WorldModel, data: Mixture) -> None:
    names = {"memory.latents", "memory.actions", "memory.keys", "memory.rounds"}
    plain = untrained_world_model(data, tiny_autoencoder(), tiny_size()).eval()
    assert set(start(model).tensors()) == set(start(plain).tensors()) | names
    assert start(plain).memory is None


def test_context_noise_leaves_the_bank_clean(model: WorldModel) -> None:
    state = play(model, start(model), 2)
    clear, _ = model.step(state, ["go left", "wait"])
    blurred, _ = model.step(state, ["go left", "wait"], context_noise=0.3)
    assert clear.memory is not None and blurred.memory is not None
    assert torch.equal(clear.memory.latents, blurred.memory.latents)
    assert torch.equal(clear.memory.keys, blurred.memory.keys)
    assert not torch.equal(clear.latents, blurred.latents)


def test_nbytes_counts_the_bank(model: WorldModel) -> None:
    state = start(model)
    bank = sum(each.nbytes for name, each in state.tensors().items() if name.startswith("memory."))
    assert bank == 2 * (SLOTS * 4 * (4 * 4 * 4 + 4 * 24 + 2 * 2 * 4) + 8)  # latents, action tokens, keys; rounds
    assert state.nbytes == bank + replace(state, memory=None).nbytes


def test_step_writes_what_was_seen_and_done(model: WorldModel) -> None:
    state = start(model)
    after, _ = model.step(state, ["go left", "wait"])
    assert state.memory is not None
    assert after.memory is not None
    assert torch.equal(after.memory.latents[:, -1], state.latents)
    assert torch.equal(after.memory.actions[:, -1], model.encode_actions(["go left", "wait"]))
    assert (state.memory.rounds.tolist(), after.memory.rounds.tolist()) == ([0, 0], [1, 1])


def test_memory_matters_once_there_is_something_to_recall(model: WorldModel) -> None:
    for num_steps, differs in ((0, False), (2, True), (7, True)):
        state = play(model, start(model, 1), num_steps)
        assert state.memory is not None
        blank = replace(state.memory, latents=torch.zeros_like(state.memory.latents))
        one, other = (model.step(each, ["wait"])[1] for each in (state, replace(state, memory=blank)))
        assert torch.equal(one.uncertainty, other.uncertainty) is not differs


def test_state_does_not_grow(model: WorldModel) -> None:
    young, old = play(model, start(model, 1), 1), play(model, start(model, 1), 2 * SLOTS)
    assert {name: each.shape for name, each in young.tensors().items()} == {
        name: each.shape for name, each in old.tensors().items()
    }
    assert old.nbytes == young.nbytes


def test_forks_repeat_their_original(model: WorldModel) -> None:
    forks = play(model, start(model, 1), 8).repeat(3)
    for action in ACTIONS[:3]:
        forks, output = model.step(forks, [action] * 3)
        assert torch.equal(output.frames[0], output.frames[1])
        assert torch.equal(output.frames[0], output.frames[2])
    assert forks.memory is not None
    assert torch.equal(forks.memory.latents[0], forks.memory.latents[2])


def test_step_leaves_the_given_state_bit_identical(model: WorldModel) -> None:
    state = play(model, start(model), 6)
    before = {name: each.clone() for name, each in state.tensors().items()}
    play(model, state, 3)
    assert all(torch.equal(each, before[name]) for name, each in state.tensors().items())


def test_select_and_cat_take_the_bank_along(model: WorldModel) -> None:
    state = WorldState.cat([play(model, start(model, 1), 2), play(model, start(model, 1), 9)])
    assert state.memory is not None
    assert state.memory.rounds.tolist() == [2, 9]
    chosen = state.select([1]).memory
    assert chosen is not None
    assert torch.equal(chosen.latents, state.memory.latents[1:])


def test_saved_state_goes_on_as_before(model: WorldModel, tmp_path: Path) -> None:
    state = play(model, start(model), 8)
    state.save(tmp_path / "state.safetensors")
    loaded = WorldState.load(tmp_path / "state.safetensors")
    assert same_state(loaded, state)
    assert same_state(play(model, loaded, 3), play(model, state, 3))


def test_checkpoint_keeps_the_memory(model: WorldModel, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "world")
    loaded = WorldModel.from_pretrained(tmp_path / "world")
    assert loaded.transition.memory == model.transition.memory
    ours, theirs = play(model, start(model), 8), play(loaded, start(loaded), 8)
    assert torch.equal(ours.latents, theirs.latents)


def test_memory_that_the_decoder_is_not_shown_is_refused(model: WorldModel, data: Mixture, tmp_path: Path) -> None:
    plain = untrained_world_model(data, tiny_autoencoder(), tiny_size())
    WorldModel(replace(model.parts(), decoder=plain.decoder)).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="recalled_frames in .* must be 1 as the transition"):
        WorldModel.from_pretrained(tmp_path)


def test_a_window_takes_no_memory(model: WorldModel) -> None:
    with pytest.raises(ValueError, match='sampling must be "autoregressive" for a model with memory'):
        WorldModel(model.parts(), "swin")
