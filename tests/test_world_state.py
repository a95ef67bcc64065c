"""World states: fork, prune, join, save and load, bit for bit."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.production import unchecked
from tests.worlds import tiny_world_model, worlds_of_ages
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

ACTIONS = ["go left", "go down", "", "wait"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return tiny_world_model(tmp_path_factory.mktemp("data"), window_chunks=2)


@pytest.fixture
def state(model: WorldModel) -> WorldState:
    """Three worlds after 0, 2 and 5 steps."""
    return worlds_of_ages(model, (0, 2, 5))


def assert_same(actual: WorldState, expected: WorldState) -> None:
    """Every tensor equal in every bit, dtype and shape."""
    assert actual.weights_hash == expected.weights_hash
    tensors, others = actual.tensors(), expected.tensors()
    assert tensors.keys() == others.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype == others[name].dtype, name
        assert torch.equal(tensor, others[name]), name


def test_tensors_are_all_that_a_step_carries(state: WorldState) -> None:
    assert set(state.tensors()) == {
        "seeds",
        "rounds",
        "frames",
        "latents",
        "observation_tokens",
        "transition.keys",
        "transition.values",
        "transition.rounds",
        "decoder.keys",
        "decoder.values",
        "decoder.chunks",
    }


def test_every_tensor_begins_with_the_batch(state: WorldState) -> None:
    assert {len(tensor) for tensor in state.tensors().values()} == {state.batch_size} == {3}


def test_nbytes_counts_every_tensor(state: WorldState) -> None:
    assert state.nbytes == sum(tensor.numel() * tensor.element_size() for tensor in state.tensors().values())
    frames, transition = 32 * 32 * 3, 2 * 2 * 4 * (3 * (4 + 4 + 3)) * 6 * 4  # keys and values, layers, heads, slots
    assert state.nbytes > 3 * (frames + transition)


def test_nbytes_grows_with_the_batch_alone(model: WorldModel, state: WorldState) -> None:
    after, _ = model.step(state, ["wait"] * 3)
    assert after.nbytes == state.nbytes
    assert state.repeat(4).nbytes == 4 * state.nbytes


def test_repeat_puts_forks_in_a_row(state: WorldState) -> None:
    assert_same(state.repeat(2), state.select([0, 0, 1, 1, 2, 2]))


def test_repeat_once_changes_nothing(state: WorldState) -> None:
    assert_same(state.repeat(1), state)


def test_a_clone_of_forks_has_memory_of_its_own_row_by_row(state: WorldState) -> None:
    forks = state.select([1]).repeat(4)  # all show the same memory
    clone = forks.clone()
    assert_same(clone, forks)
    for name, tensor in clone.tensors().items():
        assert tensor.is_contiguous(), name
        assert tensor.data_ptr() != forks.tensors()[name].data_ptr() or not tensor.numel(), name


def test_select_takes_worlds_in_the_given_order(state: WorldState) -> None:
    chosen = state.select([2, 0])
    assert chosen.seeds.tolist() == [2, 0]
    assert chosen.rounds.tolist() == [5, 0]
    assert_same(chosen.select([1, 0]), state.select([0, 2]))


def test_cat_of_the_single_worlds_is_the_batch(state: WorldState) -> None:
    assert_same(WorldState.cat([state.select([row]) for row in range(3)]), state)


def test_fork_repeats_its_original(model: WorldModel, state: WorldState) -> None:
    forks = state.select([1]).repeat(3)
    for action in ACTIONS:
        forks, output = model.step(forks, [action] * 3)
        assert torch.equal(output.frames[0], output.frames[1])
        assert torch.equal(output.frames[0], output.frames[2])


def test_repeat_before_or_after_steps_is_the_same(model: WorldModel, state: WorldState) -> None:
    early, late = state.repeat(2), state.repeat(2).select([0, 2, 4]).repeat(2)
    for action in ACTIONS:
        early, _ = model.step(early, [action] * 6)
        late, _ = model.step(late, [action] * 6)
    assert_same(early, late)


def test_reseeded_fork_draws_other_noise(model: WorldModel, state: WorldState) -> None:
    forks = state.select([1]).repeat(2).reseed([7, 8])
    assert forks.rounds.tolist() == [2, 2]
    _, output = model.step(forks, ["wait", "wait"])
    assert not torch.equal(output.frames[0], output.frames[1])


def test_reseeding_with_the_same_seeds_changes_nothing(state: WorldState) -> None:
    assert_same(state.reseed([0, 1, 2]), state)


def test_moved_state_is_on_the_device_as_a_whole(state: WorldState) -> None:
    moved = state.to("meta")
    assert {tensor.device.type for tensor in moved.tensors().values()} == {"meta"}
    assert {tensor.device.type for tensor in state.tensors().values()} == {"cpu"}


def test_state_that_is_there_shares_its_tensors(state: WorldState) -> None:
    assert all(tensor is state.tensors()[name] for name, tensor in state.to("cpu").tensors().items())


def test_saved_state_is_loaded_bit_for_bit(state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state.safetensors")
    assert_same(WorldState.load(tmp_path / "state.safetensors"), state)
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_loaded_state_goes_on_as_the_saved_one(model: WorldModel, state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state.safetensors")
    loaded = WorldState.load(tmp_path / "state.safetensors")
    for _ in range(3):
        state, output = model.step(state, ["go left"] * 3)
        loaded, again = model.step(loaded, ["go left"] * 3)
        assert torch.equal(output.frames, again.frames)
        assert torch.equal(output.termination_probability, again.termination_probability)


def test_saving_replaces_an_older_file(state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state.safetensors")
    state.select([1]).save(tmp_path / "state.safetensors")
    assert WorldState.load(tmp_path / "state.safetensors").batch_size == 1


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_cut_file_is_refused(state: WorldState, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "state.safetensors"
    state.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(ValueError, match=f"{path} must be a whole file written by WorldState.save, got"):
        WorldState.load(path)


def test_folder_that_is_not_there_is_refused(state: WorldState, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="path must be in a folder that is there and has room, got .*nowhere"):
        state.save(tmp_path / "nowhere" / "state.safetensors")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="path must be in a folder"):
        state.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]  # nothing half written is left


def test_device_that_is_not_there_is_refused(state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state.safetensors")
    with pytest.raises(ValueError, match="device must be one of this machine's, got 'cuda:99'"):
        WorldState.load(tmp_path / "state.safetensors", device="cuda:99")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere must be a whole file written by WorldState.save"):
        WorldState.load(tmp_path / "nowhere")


def test_other_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="must have format version 1, got None; save the state again"):
        WorldState.load(tmp_path / "weights.safetensors")


def test_incomplete_state_is_refused(state: WorldState, tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    state.save(path)
    tensors = load_file(path)
    del tensors["decoder.keys"]
    save_file(tensors, path, {"format_version": "1", "weights_hash": state.weights_hash})
    with pytest.raises(ValueError, match=f"{path} must hold all tensors of a state"):
        WorldState.load(path)


@pytest.mark.parametrize("indices", [[], [3], [-1], [0, 7]])
def test_indices_outside_the_batch_are_refused(state: WorldState, indices: list[int]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"non-empty list within 0..2, got {indices}")):
        state.select(indices)


@pytest.mark.parametrize("n", [0, -2])
def test_repeat_below_one_is_refused(state: WorldState, n: int) -> None:
    with pytest.raises(ValueError, match=f"n must be at least 1, got {n}"):
        state.repeat(n)


def test_cat_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="states must be at least one, got none"):
        WorldState.cat([])


def test_cat_across_checkpoints_is_refused(state: WorldState) -> None:
    with pytest.raises(ValueError, match="states must come from one checkpoint, got 2 different ones"):
        WorldState.cat([state, replace(state, weights_hash="other")])


def test_cat_of_other_tensors_is_refused(state: WorldState) -> None:
    other = replace(state, streams={"window.keys": torch.zeros(state.batch_size, 2)})
    for states in ([state, other], [other, state]):
        with pytest.raises(ValueError, match="states must be made under one sampling"):
            WorldState.cat(states)


@pytest.mark.parametrize("seeds", [[1, 2], [1, 2, -3], [1, 2, 2**63], [1, 2, 0.5], [1, 2, True], [1, 2, "3"], 3])
def test_bad_seeds_are_refused(state: WorldState, seeds: list[int]) -> None:
    expected = re.escape(f"seeds must be 3 integers from 0 to 2**63 - 1, one a world, got {seeds}")
    with unchecked(), pytest.raises(ValueError, match=expected):
        state.reseed(seeds)


def test_numpy_seeds_are_accepted(state: WorldState) -> None:
    with unchecked():
        assert state.reseed(list(np.arange(3))).seeds.tolist() == [0, 1, 2]


def test_largest_seed_is_accepted(state: WorldState) -> None:
    assert state.reseed([2**63 - 1, 0, 0]).seeds.tolist() == [2**63 - 1, 0, 0]


def test_arrays_of_indices_are_accepted(state: WorldState) -> None:
    with unchecked():
        assert_same(state.select(np.array([2, 0])), state.select([2, 0]))


@pytest.mark.parametrize("indices", [[True], [0.0], [[0]], 0, "0", None])
def test_indices_that_are_no_list_of_integers_are_refused(state: WorldState, indices: list[int]) -> None:
    with unchecked(), pytest.raises(ValueError, match="indices must be a non-empty list within 0..2, got"):
        state.select(indices)


@pytest.mark.parametrize("name", ["rounds", "latents", "transition.keys"])
def test_file_with_tensors_of_two_batches_is_refused(state: WorldState, tmp_path: Path, name: str) -> None:
    tensors = {**state.tensors(), name: state.tensors()[name][:2]}
    metadata = {"format_version": "1", "weights_hash": state.weights_hash}
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "state", metadata)
    with unchecked(), pytest.raises(ValueError, match="must hold tensors of one batch"):
        WorldState.load(tmp_path / "state")
