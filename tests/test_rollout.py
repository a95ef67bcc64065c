"""Rollouts: many futures in one call, bit for bit those of single steps."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.endless_worlds import set_termination_logit
from tests.planning.boards import Board, cell_of
from tests.production import unchecked
from tests.tolerances import assert_near
from tests.worlds import GOAL, tiny_world_model
from wm_gym.rollout import STATES_PER_STEP, Rollout, RolloutInterrupted, roll_out
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

TEXTS = ["go left", "go right", "go down", "wait"]
PLANS = [[TEXTS[(row + time * (1 + row // 4)) % 4] for time in range(5)] for row in range(6)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    """A world in which no episode ends."""
    model = tiny_world_model(tmp_path_factory.mktemp("data"), window_chunks=2)
    set_termination_logit(model, -20.0)
    return model


@pytest.fixture
def state(model: WorldModel) -> WorldState:
    state = model.reset(model.starts["slide"][:1], seeds=[3])
    for text in TEXTS:
        state, _ = model.step(state, [text])
    return state


def assert_same(actual: WorldState, expected: WorldState) -> None:
    for name, tensor in expected.tensors().items():
        assert torch.equal(actual.tensors()[name], tensor), name


def step_by_step(model: WorldModel, state: WorldState, plans: Sequence[Sequence[str]]) -> tuple[WorldState, list[Any]]:
    outputs = []
    for time in range(len(plans[0])):
        state, output = model.step(state, [plan[time] for plan in plans])
        assert not output.terminated.any()
        outputs.append(output)
    return state, outputs


def test_rollout_is_steps_of_a_fork_bit_for_bit(model: WorldModel, state: WorldState) -> None:
    futures = model.rollout(state, PLANS, keep_frames=True, keep_state=True)
    last, outputs = step_by_step(model, state.repeat(6), PLANS)
    assert futures.frames is not None and futures.state is not None
    assert_same(futures.state, last)
    for time, output in enumerate(outputs):
        assert torch.equal(futures.frames[:, time], output.frames)
        assert torch.equal(futures.rewards[:, time], output.reward)
        assert torch.equal(futures.uncertainties[:, time], output.uncertainty)
        assert torch.equal(futures.termination_probabilities[:, time], output.termination_probability)


def test_each_future_may_begin_in_a_world_of_its_own(model: WorldModel, state: WorldState) -> None:
    worlds = state.repeat(6).reseed(list(range(6)))
    futures = model.rollout(worlds, PLANS, keep_state=True)
    assert futures.state is not None
    assert_same(futures.state, step_by_step(model, worlds, PLANS)[0])


def test_memory_limit_changes_the_last_bits_at_most(model: WorldModel, state: WorldState) -> None:
    whole = model.rollout(state, PLANS, keep_state=True)
    parts = model.rollout(state, PLANS, keep_state=True, memory_limit=2 * STATES_PER_STEP * state.nbytes)
    assert_near(parts.uncertainties, whole.uncertainties)
    assert_near(parts.termination_probabilities, whole.termination_probabilities)
    assert parts.state is not None and whole.state is not None
    assert_near(parts.state.transition.keys, whole.state.transition.keys)


def test_shared_prefixes_are_stepped_once(model: WorldModel, state: WorldState) -> None:
    plans = [[*PLANS[0][:3], *plan[:2]] for plan in PLANS]
    apart = model.rollout(state, plans, keep_state=True)
    shared = model.rollout(state, plans, keep_state=True, share_prefixes=True)
    assert apart.model_steps == 6 * 5
    tails = {tuple(plan[3:4]) for plan in plans}, {tuple(plan[3:]) for plan in plans}
    assert shared.model_steps == 3 + len(tails[0]) + len(tails[1])
    assert_near(shared.uncertainties, apart.uncertainties)


def test_rollout_leaves_the_given_state_bit_identical(model: WorldModel, state: WorldState) -> None:
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    model.rollout(state, PLANS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


def test_nothing_leaks_between_forks(model: WorldModel, state: WorldState) -> None:
    others = [PLANS[0], *([TEXTS[row % 4]] * 5 for row in range(5))]
    one, other = (model.rollout(state, plans, keep_frames=True, keep_state=True) for plans in (PLANS, others))
    assert one.frames is not None and other.frames is not None
    assert torch.equal(one.frames[0], other.frames[0])
    assert torch.equal(one.uncertainties[0], other.uncertainties[0])


def test_fork_copies_nothing(state: WorldState) -> None:
    forks = state.repeat(256)
    shared = {tensor.untyped_storage().data_ptr() for tensor in state.tensors().values()}
    assert {tensor.untyped_storage().data_ptr() for tensor in forks.tensors().values()} == shared
    assert forks.batch_size == 256 and forks.nbytes == 256 * state.nbytes


def test_saved_state_goes_on_in_another_process_bit_for_bit(
    model: WorldModel, state: WorldState, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path / "world")
    saved = WorldModel.from_pretrained(tmp_path / "world")
    begun = saved.reset(saved.starts["slide"][:1], seeds=[3])
    begun, _ = saved.step(begun, ["go left"])
    begun.save(tmp_path / "state")
    script = (
        "import sys; from wm_gym.world_model import WorldModel; from wm_gym.world_state import WorldState\n"
        "folder = sys.argv[1]; model = WorldModel.from_pretrained(folder + '/world')\n"
        "state, _ = model.step(WorldState.load(folder + '/state'), ['go down']); state.save(folder + '/next')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert_same(WorldState.load(tmp_path / "next"), saved.step(begun, ["go down"])[0])


def test_changed_state_file_is_refused(state: WorldState, tmp_path: Path) -> None:
    state.save(tmp_path / "state")
    data = bytearray((tmp_path / "state").read_bytes())
    data[-1] ^= 1
    (tmp_path / "state").write_bytes(data)
    with pytest.raises(ValueError, match="must have the sha256 that it was saved with"):
        WorldState.load(tmp_path / "state")


RIGHT, DOWN, WAIT = ["go right"] * 4, ["go down"] * 4, ["wait"] * 4


def test_finished_worlds_cost_no_more_steps() -> None:
    board = Board()
    state = board.reset((2, 3))
    futures = roll_out(board.step, state, [RIGHT, DOWN, WAIT], keep_frames=True, keep_state=True)
    assert board.batches == [3, 2, 2, 2] and futures.model_steps == 9
    assert futures.num_steps.tolist() == [1, 4, 4]
    assert futures.terminated.tolist()[0] == [True, False, False, False]
    assert futures.rewards.tolist() == [[1, 0, 0, 0], [0] * 4, [0] * 4]
    assert futures.completed.tolist() == [True] * 3
    assert futures.frames is not None and futures.state is not None
    assert [cell_of(frame) for frame in futures.frames[0]] == [GOAL] * 4
    assert [cell_of(frame) for frame in futures.state.frames] == [GOAL, (2, 3), (2, 3)]


def test_returns_are_discounted() -> None:
    board = Board()
    futures = roll_out(board.step, board.reset((1, 3)), [RIGHT, WAIT])
    assert futures.returns().tolist() == [1, 0]
    assert futures.returns(0.5).tolist() == [0.5, 0]


def after(count: int) -> Callable[[], bool]:
    """Says yes from the `count`th question on."""
    answers: Iterator[bool] = iter([False] * (count - 1) + [True] * 99)
    return lambda: next(answers)


def test_stopped_rollout_keeps_what_is_done() -> None:
    board = Board()
    state = board.reset((0, 0))
    futures = roll_out(
        board.step,
        state,
        [RIGHT, DOWN, WAIT],
        keep_frames=True,
        keep_state=True,
        memory_limit=STATES_PER_STEP * state.nbytes,
        should_stop=after(7),
    )
    assert futures.num_steps.tolist() == [4, 2, 0]
    assert futures.completed.tolist() == [True, False, False]
    assert futures.frames is not None and futures.state is not None
    assert [cell_of(frame) for frame in futures.state.frames] == [(0, 0), (0, 2), (0, 0)]
    assert [cell_of(frame) for frame in futures.frames[2]] == [(0, 0)] * 4


def test_interrupt_carries_what_is_done() -> None:
    board = Board()
    calls = after(3)

    def step(state: WorldState, actions: Sequence[Any], /) -> Any:
        if calls():
            raise KeyboardInterrupt
        return board.step(state, actions)

    with pytest.raises(RolloutInterrupted) as caught:
        roll_out(step, board.reset((0, 0)), [RIGHT, DOWN], keep_state=True)
    futures: Rollout = caught.value.rollout
    assert isinstance(caught.value, KeyboardInterrupt)
    assert futures.num_steps.tolist() == [2, 2] and futures.state is not None
    assert [cell_of(frame) for frame in futures.state.frames] == [(2, 0), (0, 2)]


@pytest.mark.parametrize(
    ("plans", "message"),
    [
        ([], "got none"),
        ([[]], r"got lengths \[0\]"),
        ([["wait"], ["wait", "wait"]], r"got lengths \[1, 2\]"),
        ("wait", "got str"),
        (["wait"], "got 'wait' at 0; wrap it in a list"),
        (None, "got NoneType"),
        ([[3]], "action must be a string"),
        ([["\x00"]], "action must be printable ASCII"),
    ],
)
def test_bad_sequences_are_refused_before_anything_is_computed(plans: Any, message: str) -> None:
    board = Board()
    with unchecked(), pytest.raises(ValueError, match=message):
        roll_out(board.step, board.reset((0, 0)), plans)
    assert board.batches == []


def test_neither_one_state_nor_one_a_sequence_is_refused() -> None:
    board = Board()
    with pytest.raises(ValueError, match="state must hold one world, or one for each of 3 action sequences, got 2"):
        roll_out(board.step, board.reset((0, 0), (1, 1)), [WAIT] * 3)


def test_limit_below_one_world_is_refused(model: WorldModel, state: WorldState) -> None:
    with pytest.raises(ValueError, match=r"memory_limit must be an integer of at least \d+ bytes, .* got 100"):
        model.rollout(state, PLANS, memory_limit=100)


def test_state_of_another_checkpoint_is_refused(model: WorldModel) -> None:
    with pytest.raises(ValueError, match="state must come from this checkpoint"):
        model.rollout(Board().reset((0, 0)), PLANS)


def test_numbers_are_actions_too() -> None:
    board = Board()
    futures = roll_out(board.step, board.reset((2, 3)), [[np.array([1.0, 0.0], np.float32)]], share_prefixes=True)
    assert futures.rewards.tolist() == [[1.0]]


def test_bar_is_shown_on_demand_only(capsys: pytest.CaptureFixture[str]) -> None:
    board = Board()
    roll_out(board.step, board.reset((0, 0)), [WAIT])
    assert capsys.readouterr().err == ""


def test_number_that_comes_late_is_refused_before_anything_is_imagined(model: WorldModel, state: WorldState) -> None:
    with pytest.raises(ValueError, match="action must be a text: this checkpoint takes no numbers"):
        model.rollout(state, [["wait", "wait", np.array([math.nan], np.float32)]])
