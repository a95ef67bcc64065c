"""All planners in a world whose best plans are known."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.planning.boards import UNSURE, Board, cell_of
from tests.planning.planners import BUDGET, PLANNERS, START, Make, best_first, cem, each_planner, shooting, walk
from tests.production import unchecked
from tests.worlds import GOAL, draw
from wm_gym.planning import (
    Budget,
    Objective,
    Plan,
)
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState


@each_planner
def test_plan_reaches_the_goal(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
    assert walk(board, START, plan.actions)[-1] == GOAL
    assert plan.value == pytest.approx(0.99 ** (len(plan.actions) - 1), abs=0.2)


@each_planner
def test_frames_are_what_the_plan_shows(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
    shown = [cell_of(torch.from_numpy(frame)) for frame in plan.frames]
    assert shown == walk(board, START, plan.actions)


@each_planner
@pytest.mark.parametrize("model_steps", [1, 7, 50])
def test_no_more_model_steps_than_the_budget(make: Make, model_steps: int) -> None:
    board = Board()
    try:
        plan = make(board, Objective(), Budget(model_steps=model_steps)).plan(board.reset(START))
    except ValueError as error:
        assert "budget must allow" in str(error)
        assert make in (cem, shooting) and model_steps < 6
        return
    assert sum(board.batches) == plan.model_steps <= model_steps
    assert len(plan.actions) >= 1


@each_planner
def test_time_ends_a_plan(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(), Budget(seconds=0.05)).plan(board.reset(START))
    assert plan.seconds < 5 and plan.actions


@each_planner
def test_given_state_is_left_as_it_was(make: Make) -> None:
    board = Board()
    state = board.reset(START)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    make(board, Objective(), Budget(model_steps=200)).plan(state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


@each_planner
def test_same_state_gives_the_same_plan(make: Make) -> None:
    board = Board()
    first, second = (make(board, Objective(), Budget(model_steps=300)).plan(board.reset(START)) for _ in range(2))
    assert first.actions == second.actions and first.value == second.value


@each_planner
def test_worlds_are_stepped_many_at_once(make: Make) -> None:
    board = Board()
    make(board, Objective(), Budget(model_steps=400)).plan(board.reset(START))
    assert sum(board.batches) / len(board.batches) > 3


@each_planner
def test_pessimism_goes_around_what_is_uncertain(make: Make) -> None:
    column = frozenset({(0, 1), (0, 2), (0, 3)})  # the short way to the goal, over the edge
    board = Board(unsure=column, walls=frozenset({(2, 2), (2, 3)}))
    start = (1, 1)
    bold, budget = Objective(uncertainty_penalty=0.0, discount=0.9), Budget(model_steps=1500)
    careful = Objective(uncertainty_penalty=10.0, discount=0.9)
    plan = make(board, careful, budget).plan(board.reset(start))
    cells = walk(board, start, plan.actions)
    assert not column & set(cells)
    unafraid = make(board, bold, budget).plan(board.reset(start))
    assert unafraid.value >= plan.value


@each_planner
def test_what_is_not_believed_leads_nowhere(make: Make) -> None:
    column = frozenset({(0, 1), (0, 2), (0, 3)})
    board = Board(unsure=column, walls=frozenset({(2, 2), (2, 3)}))
    start = (1, 1)
    doubting = Objective(uncertainty_penalty=0.0, max_uncertainty=UNSURE / 2, discount=0.9)
    believing = Objective(uncertainty_penalty=0.0, max_uncertainty=UNSURE, discount=0.9)
    budget = Budget(model_steps=1500)
    with unchecked():
        away = make(board, doubting, budget).plan(board.reset(start))
        there = make(board, believing, budget).plan(board.reset((0, 2)))
    assert not column & set(walk(board, start, away.actions))
    assert walk(board, (0, 2), there.actions)[1] == GOAL


@dataclass(frozen=True)
class Distance:
    """A goal with negative values: minus the rows down to the goal, less one."""

    def rewards(self, output: StepOutput) -> Tensor:
        return torch.zeros_like(output.reward)

    def values(self, state: WorldState) -> Tensor:
        return torch.tensor([cell_of(frame)[1] - 4.0 for frame in state.frames[:, -1]])


@each_planner
def test_what_is_not_believed_is_no_goal_where_values_are_negative(make: Make) -> None:
    unsure = (0, 0)
    board = Board(unsure=frozenset({unsure}))
    objective = Objective(goal=Distance(), uncertainty_penalty=0.0, max_uncertainty=UNSURE / 2, discount=1.0)
    plan = make(board, objective, Budget(model_steps=1000)).plan(board.reset((1, 0)))
    assert unsure not in walk(board, (1, 0), plan.actions)
    assert plan.value > -4.0  # of standing still


@each_planner
def test_what_a_warm_start_says_beside_the_vocabulary_is_left_out(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START), ["sing", "go down"])
    assert walk(board, START, plan.actions)[-1] == GOAL


@each_planner
def test_warm_start_is_tried_first(make: Make) -> None:
    board = Board()
    known = ["go right", "go right", "go down", "go down", "wait", "wait"]
    budget = Budget(model_steps=60)
    plan = make(board, Objective(enough=0.5), budget).plan(board.reset(START), known)
    assert plan.actions == tuple(known[:4])


def test_plan_is_of_what_it_cost() -> None:
    board = Board()
    plan = best_first(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
    assert isinstance(plan, Plan)
    assert plan.model_steps == sum(board.batches) and plan.seconds > 0


def test_chosen_moments_are_the_plan() -> None:
    board = Board()
    for make in PLANNERS:
        plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
        chosen = [moment for moment in plan.tree.moments if moment.chosen]
        assert [moment.action for moment in chosen] == [None, *plan.actions]
        np.testing.assert_array_equal(plan.tree.moments[0].frame, draw(START))
