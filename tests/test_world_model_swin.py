"""A world whose decoder is sampled by Causal Swin-DPM: fork, save and load, bit for bit, and who changes whom."""

import re
from pathlib import Path

import pytest
import torch

from tests.worlds import tiny_world_model, worlds_of_ages
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.training.trained_sampling import train_for
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

ACTIONS = ["go left", "go down", "", "wait"]


@pytest.fixture(scope="module", params=[1, 2], ids=["1 frame", "2 frames"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("swin")
    model = tiny_world_model(path / "data", chunk_frames=request.param)
    train_for(model, "swin", SwinConfig(condition_sees="first_chunk"))
    model.save_pretrained(path / "checkpoint")
    return path / "checkpoint"


@pytest.fixture(scope="module")
def model(folder: Path) -> WorldModel:
    return WorldModel.from_pretrained(folder)


@pytest.fixture
def state(model: WorldModel) -> WorldState:
    """Three worlds after 0, 1 and 3 steps."""
    return worlds_of_ages(model, (0, 1, 3))


def assert_same(actual: WorldState, expected: WorldState) -> None:
    tensors, others = actual.tensors(), expected.tensors()
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert torch.equal(tensor, others[name]), name


def test_checkpoint_says_what_it_was_trained_for(folder: Path, model: WorldModel) -> None:
    assert model.decoder.config.swin == SwinConfig(condition_sees="first_chunk")
    assert model.card.num_denoising_steps == 2
    assert WorldModel.from_pretrained(folder, sampling="autoregressive").decoder.config == model.decoder.config


def test_state_holds_the_window(state: WorldState) -> None:
    names = {f"streams.window.{name}" for name in ("keys", "values", "chunks", "past", "noisy_past")}
    assert names <= set(state.tensors())
    assert state.streams["window.chunks"].tolist() == [0, 1, 1]


def test_forks_saved_and_loaded_states_go_on_alike(model: WorldModel, state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state.safetensors")
    loaded = WorldState.load(tmp_path / "state.safetensors")
    assert_same(loaded, state)
    forks = state.repeat(2)
    for action in ACTIONS:
        state, output = model.step(state, [action] * 3)
        loaded, again = model.step(loaded, [action] * 3)
        forks, both = model.step(forks, [action] * 6)
        assert torch.equal(output.frames, again.frames)
        assert torch.equal(both.frames[0::2], both.frames[1::2])
    assert_same(loaded, state)
    assert_same(forks.select([0, 2, 4]), forks.select([1, 3, 5]))


def test_a_step_leaves_the_given_state_as_it_is(model: WorldModel, state: WorldState) -> None:
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    model.step(state, ["go left"] * 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_others_in_the_batch_change_no_bit(model: WorldModel, state: WorldState) -> None:
    mine, other = state.select([2, 1, 1]), state.select([2, 0, 2])
    for action in ACTIONS[:3]:
        mine, output = model.step(mine, [action, "wait", "go down"])
        other, again = model.step(other, [action, "go right", ""])
        assert torch.equal(output.frames[0], again.frames[0])


def test_a_step_takes_an_even_number_of_denoising_steps(model: WorldModel, state: WorldState) -> None:
    after, _ = model.step(state, [""] * 3, num_denoising_steps=4)
    model.step(after, [""] * 3)
    with pytest.raises(ValueError, match="num_denoising_steps must be even and at least 2 to sample by swin, got 3"):
        model.step(state, [""] * 3, num_denoising_steps=3)


def test_state_of_another_sampling_is_refused(folder: Path, state: WorldState) -> None:
    other = WorldModel.from_pretrained(folder, sampling="autoregressive")
    with pytest.raises(ValueError, match=re.escape("made under another sampling; load it again or reset")):
        other.step(state, [""] * 3)


def test_shipped_weights_can_be_sampled_by_swin() -> None:
    model = WorldModel.from_pretrained("minigrid", sampling="swin")
    state = model.reset(model.starts["minigrid"][:1], seeds=[0])
    for _ in range(2):
        state, output = model.step(state, ["go forward"])
        assert output.frames.shape == (1, 1, 64, 64, 3)
    assert state.streams["window.keys"].shape[1:3] == (1, 4)


def test_a_window_does_not_grow(model: WorldModel, state: WorldState) -> None:
    size = state.nbytes
    for number in range(8):
        state, _ = model.step(state, [ACTIONS[number % 4]] * 3)
    assert state.nbytes == size
