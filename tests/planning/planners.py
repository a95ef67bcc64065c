"""A planner of each kind in the world whose best plans are known, and where its plans lead."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from tests.planning.boards import VOCABULARY, Board, cell_of
from wm_gym.planning import (
    BeamSearch,
    BestFirstSearch,
    BestOfN,
    Budget,
    CategoricalPlans,
    CrossEntropyMethod,
    MonteCarloTreeSearch,
    Objective,
    Planner,
    RandomShooting,
)

Make = Callable[..., Planner]
START = (1, 1)  # 2 to the right (or to the left), 2 down: 4 steps
BUDGET = Budget(model_steps=4000)


def beam(board: Board, objective: Objective, budget: Budget) -> Planner:
    return BeamSearch(board, VOCABULARY, objective=objective, budget=budget, width=6, horizon=8)


def best_first(board: Board, objective: Objective, budget: Budget) -> Planner:
    return BestFirstSearch(board, VOCABULARY, objective=objective, budget=budget, num_worlds=8)


def mcts(board: Board, objective: Objective, budget: Budget) -> Planner:
    return MonteCarloTreeSearch(board, VOCABULARY, objective=objective, budget=budget, num_leaves=8, rollout_steps=6)


def cem(board: Board, objective: Objective, budget: Budget) -> Planner:
    plans = CategoricalPlans(VOCABULARY)
    return CrossEntropyMethod(board, plans, objective=objective, budget=budget, horizon=6, num_iterations=6)


def shooting(board: Board, objective: Objective, budget: Budget) -> Planner:
    return RandomShooting(board, CategoricalPlans(VOCABULARY), objective=objective, budget=budget, horizon=6)


def wander(frame: np.ndarray, num_plans: int, rng: np.random.Generator) -> list[list[str]]:
    """Plans of 1 to 8 texts at random."""
    return [[str(rng.choice(VOCABULARY)) for _ in range(rng.integers(1, 9))] for _ in range(num_plans)]


def best_of_n(board: Board, objective: Objective, budget: Budget) -> Planner:
    return BestOfN(board, wander, objective=objective, budget=budget, num_plans=256)


PLANNERS = [beam, best_first, mcts, cem, shooting, best_of_n]
each_planner = pytest.mark.parametrize("make", PLANNERS)


def walk(board: Board, start: tuple[int, int], actions: Sequence[Any]) -> list[tuple[int, int]]:
    """The cells that actions lead over."""
    state, cells = board.reset(start), []
    for action in actions:
        state, _ = board.step(state, [action])
        cells.append(cell_of(state.frames[0]))
    return cells
