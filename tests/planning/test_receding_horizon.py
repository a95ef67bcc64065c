"""Following plans, and making new ones when the world does something else."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.planning.boards import VOCABULARY, Board, cell_of
from tests.worlds import GOAL
from wm_gym.actions import Action
from wm_gym.planning import BestFirstSearch, Budget, Objective, Plan, Pursuit, RecedingHorizon, Refutation
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState


class Remembering:
    """Best-first search that keeps what it was asked."""

    def __init__(self, board: Board) -> None:
        objective, budget = Objective(enough=0.5), Budget(model_steps=2000)
        self._search = BestFirstSearch(board, VOCABULARY, objective=objective, budget=budget, num_worlds=8)
        self.asked: list[tuple[tuple[int, int], tuple[Action, ...]]] = []

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        self.asked.append((cell_of(state.frames[0]), tuple(warm_start)))
        return self._search.plan(state, warm_start, refutations)


def live(
    control: RecedingHorizon, board: Board, start: tuple[int, int], num_steps: int, slip_at: int | None = None
) -> tuple[list[tuple[int, int]], Pursuit]:
    """Acts; at one step the tile slips to (0, 0) whatever is done."""
    state, cells = board.reset(start), []
    pursuit: Pursuit | None = None
    for step in range(num_steps):
        now = state
        action, pursuit = control.act(now.frames[0, -1].numpy(), lambda now=now: now, pursuit)  # type: ignore[misc]
        state, _ = Board().step(state, [action])
        if step == slip_at:
            state = board.reset((0, 0))
        cells.append(cell_of(state.frames[0]))
    assert pursuit is not None
    return cells, pursuit


def test_one_plan_is_followed_to_the_goal() -> None:
    board = Board()
    planner = Remembering(board)
    cells, pursuit = live(RecedingHorizon(planner), board, (1, 1), 4)
    assert cells[-1] == GOAL
    assert len(planner.asked) == pursuit.num_plans == 1
    assert pursuit.rest == () and pursuit.num_done == 4


def test_surprise_makes_a_new_plan_that_begins_with_the_rest() -> None:
    board = Board()
    planner = Remembering(board)
    cells, pursuit = live(RecedingHorizon(planner), board, (1, 1), 6, slip_at=1)
    assert cells[1] == (0, 0) and cells[-1] == GOAL
    assert pursuit.num_plans == 2
    (first, _), (second, rest) = planner.asked
    assert (first, second) == ((1, 1), (0, 0)) and len(rest) == 2
    assert pursuit.model_steps == sum(board.batches)


def test_plans_are_made_anew_after_so_many_steps() -> None:
    board = Board()
    planner = Remembering(board)
    cells, pursuit = live(RecedingHorizon(planner, replan_every=1), board, (1, 1), 4)
    assert cells[-1] == GOAL and pursuit.num_plans == 4
    assert [len(rest) for _, rest in planner.asked] == [0, 3, 2, 1]


def test_world_is_only_asked_for_where_a_plan_is_made() -> None:
    board = Board()
    control = RecedingHorizon(Remembering(board))
    state = board.reset((1, 1))
    action, pursuit = control.act(state.frames[0, -1].numpy(), lambda: state)
    state, _ = board.step(state, [action])

    def nobody() -> WorldState:
        raise AssertionError("asked for the world")

    control.act(state.frames[0, -1].numpy(), nobody, pursuit)
    with pytest.raises(AssertionError, match="asked for the world"):
        control.act(np.zeros((32, 32, 3), np.uint8), nobody, pursuit)


def test_a_grey_level_is_no_surprise() -> None:
    board = Board()
    control = RecedingHorizon(Remembering(board))
    state = board.reset((1, 1))
    action, pursuit = control.act(state.frames[0, -1].numpy(), lambda: state)
    state, _ = board.step(state, [action])
    _, later = control.act((state.frames[0, -1] + torch.tensor(2, dtype=torch.uint8)).numpy(), lambda: state, pursuit)
    assert later.num_plans == 1 and pursuit.num_done == 1


def live_with_a_glass_wall(control: RecedingHorizon, num_steps: int) -> tuple[list[tuple[int, int]], Pursuit]:
    """Acts from (3, 1), two cells above the goal; the model does not see the wall between."""
    real = Board(walls=frozenset({(3, 2)}))
    state, cells = real.reset((3, 1)), []
    pursuit: Pursuit | None = None
    for _ in range(num_steps):
        now = state
        action, pursuit = control.act(now.frames[0, -1].numpy(), lambda now=now: now, pursuit)  # type: ignore[misc]
        state, output = real.step(state, [action])
        cells.append(cell_of(state.frames[0]))
        if output.terminated:
            break
    assert pursuit is not None
    return cells, pursuit


def test_what_the_world_refuted_is_not_tried_again() -> None:
    cells, pursuit = live_with_a_glass_wall(RecedingHorizon(Remembering(Board())), 8)
    assert GOAL in cells
    assert [refutation.action for refutation in pursuit.refutations] == ["go down", "go right"]  # into the wall


def test_without_refutations_the_same_is_tried_for_ever() -> None:
    cells, pursuit = live_with_a_glass_wall(RecedingHorizon(Remembering(Board()), max_refutations=0), 8)
    assert set(cells) == {(3, 1)} and pursuit.num_plans == 8


class Mirage(Board):
    """A model that believes waiting two cells above the goal to be rewarded, and to end the episode."""

    def step(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        seen = [
            cell_of(frame) == (3, 1) and action == "wait" for frame, action in zip(state.frames, actions, strict=True)
        ]
        state, output = super().step(state, actions)
        false = torch.tensor(seen)
        return state, replace(output, reward=output.reward + false, terminated=output.terminated | false)


def test_an_end_that_does_not_come_is_not_believed_again() -> None:
    cells, pursuit = live(RecedingHorizon(Remembering(Mirage())), Board(), (3, 1), 3)
    assert cells == [(3, 1), (3, 2), GOAL]
    assert [refutation.action for refutation in pursuit.refutations] == ["wait"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"replan_every": 0}, "replan_every must be at least 1, got 0"),
        ({"max_refutations": -1}, "max_refutations must be at least 0, got -1"),
    ],
)
def test_counts_out_of_range_are_refused(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RecedingHorizon(Remembering(Board()), **arguments)
