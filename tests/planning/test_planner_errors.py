"""What planners, budgets and objectives refuse."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.planning.boards import VOCABULARY, Board
from tests.planning.planners import (
    BUDGET,
    START,
    Make,
    each_planner,
)
from tests.production import unchecked
from wm_gym.planning import (
    BeamSearch,
    BestFirstSearch,
    BestOfN,
    Budget,
    MonteCarloTreeSearch,
    Objective,
)


@pytest.mark.parametrize("prior", [[0.5, 0.5], [math.nan] * 4])
def test_prior_that_is_none_is_refused(prior: list[float]) -> None:
    search = MonteCarloTreeSearch(
        Board(), VOCABULARY, objective=Objective(), budget=BUDGET, prior=lambda frames: np.array([prior])
    )
    with pytest.raises(ValueError, match="prior must return 4 probabilities a picture"):
        search.plan(Board().reset(START))


@pytest.mark.parametrize("plans", [[], [[]], [["go right"], []], ["go right"], "go right", None])
def test_proposer_without_plans_is_refused(plans: Any) -> None:
    search = BestOfN(Board(), lambda frame, num_plans, rng: plans, objective=Objective(), budget=BUDGET)
    with pytest.raises(ValueError, match="propose must return 64 plans of at least one action each, got"):
        search.plan(Board().reset(START))


@each_planner
def test_state_of_two_worlds_is_refused(make: Make) -> None:
    board = Board()
    with pytest.raises(ValueError, match="state must hold one world, got 2"):
        make(board, Objective(), BUDGET).plan(board.reset(START, START))


@pytest.mark.parametrize("vocabulary", [(), ("wait",), ("wait", "wait"), "wait"])
def test_vocabulary_without_a_choice_is_refused(vocabulary: Sequence[str]) -> None:
    for make in (BeamSearch, BestFirstSearch, MonteCarloTreeSearch):
        with unchecked(), pytest.raises(ValueError, match="vocabulary must be at least 2 different texts"):
            make(Board(), vocabulary, objective=Objective(), budget=BUDGET)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "budget must name model_steps or seconds, got neither"),
        ({"model_steps": 0}, "model_steps must be at least 1, got 0"),
        ({"seconds": 0.0}, "seconds must be more than 0, got 0.0"),
        ({"seconds": math.nan}, "seconds must be more than 0, got nan"),
    ],
)
def test_empty_budget_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Budget(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"discount": 0.0},
        {"discount": 1.1},
        {"uncertainty_penalty": -1.0},
        {"max_uncertainty": 0.0},
        {"enough": math.nan},
        {"uncertainty_penalty": math.nan},
    ],
)
def test_objective_out_of_range_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be"):
        Objective(**arguments)
