"""What is particular to a kind of planner, in a world whose best plans are known."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.planning.boards import UNSURE, VOCABULARY, Board, cell_of
from tests.planning.planners import (
    BUDGET,
    START,
    Make,
    beam,
    best_first,
    cem,
    mcts,
    walk,
)
from tests.worlds import GOAL, draw
from wm_gym.actions import Action
from wm_gym.planning import (
    BestFirstSearch,
    BestOfN,
    Budget,
    CategoricalPlans,
    CrossEntropyMethod,
    GaussianPlans,
    ImageGoal,
    MonteCarloTreeSearch,
    Objective,
    TextGoal,
)
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState


@pytest.mark.parametrize("make", [beam, best_first])
def test_search_finds_the_shortest_plan(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
    assert len(plan.actions) == 4
    assert plan.value == pytest.approx(0.99**3)


class Trap(Board):
    """A board where the cell right of the start ends the episode with a little reward."""

    def step(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        state, output = super().step(state, actions)
        trapped = torch.tensor([cell_of(frame) == (1, 0) for frame in state.frames])
        reward = output.reward + 0.2 * trapped
        return state, replace(output, reward=reward, terminated=output.terminated | trapped)


@pytest.mark.parametrize("num_leaves", [1, 32])
def test_tree_search_goes_on_where_ends_are_near(num_leaves: int) -> None:
    board = Trap(walls=frozenset({(3, 0)}))
    objective, budget = Objective(enough=0.9), Budget(model_steps=400)
    search = MonteCarloTreeSearch(
        board, VOCABULARY, objective=objective, budget=budget, num_leaves=num_leaves, max_depth=12
    )
    assert walk(board, (0, 0), search.plan(board.reset((0, 0))).actions)[-1] == GOAL


def test_uncertainty_is_paid_for_step_by_step() -> None:
    board = Board(unsure=frozenset({(2, 1)}))
    objective = Objective(uncertainty_penalty=0.2, discount=0.5, enough=0.01)
    plan = beam(board, objective, BUDGET).plan(board.reset((2, 3)), warm_start=["go right"])
    assert plan.value == pytest.approx(1.0)
    plans = CategoricalPlans(VOCABULARY)
    search = CrossEntropyMethod(
        board, plans, objective=objective, budget=BUDGET, horizon=1, num_samples=1, num_iterations=1, num_elites=1
    )
    assert search.plan(board.reset((1, 1)), ["go right"]).value == pytest.approx(-0.2 * UNSURE)


def test_equal_sights_are_one_state() -> None:
    board = Board()
    plan = best_first(board, Objective(), BUDGET).plan(board.reset(START))
    assert len(plan.tree.moments) <= 16 + 3  # cells; the goal may be reached from three sides
    assert plan.model_steps <= 15 * len(VOCABULARY)


def test_without_deduplication_detours_are_paid_for() -> None:
    board = Board()
    search = BestFirstSearch(
        board, VOCABULARY, objective=Objective(), budget=Budget(model_steps=400), deduplicate=False, num_worlds=8
    )
    assert search.plan(board.reset(START)).model_steps == 400


def test_image_goal_is_reached() -> None:
    board = Board()
    target = (3, 2)
    goal = ImageGoal(latents=board.reset(target).latents[0], scale=0.05)
    objective = Objective(goal=goal, enough=0.9)
    for make in (beam, best_first, cem):
        plan = make(board, objective, BUDGET).plan(board.reset(START))
        assert walk(board, START, plan.actions)[-1] == target
        assert plan.value == pytest.approx(0.99 ** len(plan.actions), abs=1e-6)


def red_is_low(frames: np.ndarray, text: str) -> np.ndarray:
    """A critic that can read one sentence."""
    assert text == "the tile is in the last row"
    return np.asarray([cell_of(torch.from_numpy(frame))[1] / 3 for frame in frames], np.float32)


def test_text_goal_is_what_the_critic_says() -> None:
    board = Board()
    objective = Objective(goal=TextGoal(text="the tile is in the last row", critic=red_is_low), enough=0.9)
    for make in (beam, best_first, mcts):
        plan = make(board, objective, BUDGET).plan(board.reset(START))
        assert walk(board, START, plan.actions)[-1][1] == 3


def test_numbers_are_planned_with() -> None:
    board = Board()
    search = CrossEntropyMethod(
        board, GaussianPlans(2), objective=Objective(enough=0.5), budget=BUDGET, horizon=4, num_samples=64
    )
    plan = search.plan(board.reset(START))
    assert walk(board, START, plan.actions)[-1] == GOAL
    assert all(isinstance(action, np.ndarray) and np.abs(action).max() <= 1 for action in plan.actions)


def test_cross_entropy_comes_nearer_than_one_draw() -> None:
    board = Board()
    goal = ImageGoal(latents=board.reset((2, 3)).latents[0], scale=0.05)
    objective, state = Objective(goal=goal), board.reset((0, 0))

    def value(iterations: int, seed: int) -> float:
        search = CrossEntropyMethod(
            board,
            CategoricalPlans(VOCABULARY),
            objective=objective,
            budget=BUDGET,
            horizon=8,
            num_samples=12,
            num_iterations=iterations,
            num_elites=3,
            seed=seed,
        )
        return search.plan(state).value

    assert sum(value(6, seed) for seed in range(6)) > sum(value(1, seed) for seed in range(6)) + 0.5


def test_prior_leads_tree_search() -> None:
    board = Board()

    def prior(frames: np.ndarray) -> np.ndarray:
        return np.asarray([[0.01, 0.97, 0.01, 0.01]] * len(frames))

    search = MonteCarloTreeSearch(
        board, VOCABULARY, objective=Objective(), budget=Budget(model_steps=12), num_leaves=2, prior=prior
    )
    assert search.plan(board.reset((0, 0))).actions[0] == "go right"


def test_tree_search_ends_once_all_is_known() -> None:
    board = Board()
    search = MonteCarloTreeSearch(board, VOCABULARY, objective=Objective(), budget=BUDGET, max_depth=2)
    assert search.plan(board.reset((0, 0))).model_steps == 4 + 16


def test_plans_that_begin_alike_are_one_world_until_they_part() -> None:
    board = Board()

    def propose(frame: np.ndarray, num_plans: int, rng: np.random.Generator) -> list[list[str]]:
        return [["go right", "go right", text] for text in VOCABULARY] + [["go right"]]

    plan = BestOfN(board, propose, objective=Objective(), budget=BUDGET).plan(board.reset(START))
    assert board.batches == [1, 1, len(VOCABULARY)] and plan.model_steps == 2 + len(VOCABULARY)


def test_plans_are_judged_by_where_they_end() -> None:
    board = Board()
    target = (3, 1)
    objective = Objective(goal=ImageGoal(latents=board.reset(target).latents[0], scale=0.05))

    def propose(frame: np.ndarray, num_plans: int, rng: np.random.Generator) -> list[list[str]]:
        assert (frame == draw(START)).all() and num_plans == 5
        return [["go right", "go right", "go down"], ["go down"] * 3, ["wait", "go right", "go right"]]

    plan = BestOfN(board, propose, objective=objective, budget=BUDGET, num_plans=5).plan(board.reset(START))
    assert plan.actions == ("wait", "go right", "go right")


@pytest.mark.parametrize("limits", [{"enough": 0.9}, {"model_steps": 3}])
def test_what_was_seen_on_the_way_counts_where_the_search_is_cut(limits: dict[str, float]) -> None:
    board = Board()
    goal = ImageGoal(latents=board.reset((3, 1)).latents[0], scale=0.05)

    def propose(frame: np.ndarray, num_plans: int, rng: np.random.Generator) -> list[list[str]]:
        frame[:] = 0  # its own
        return [["wait"], ["go right", "go right", "wait", "wait"]]

    objective = Objective(goal=goal, enough=limits.get("enough", math.inf))
    budget, state = Budget(model_steps=int(limits.get("model_steps", 100))), board.reset(START)
    assert BestOfN(board, propose, objective=objective, budget=budget).plan(state).actions == ("go right", "go right")
    assert cell_of(state.frames[0, -1]) == START


def test_numbers_take_no_texts_as_a_warm_start() -> None:
    misfits: list[Action] = ["sing", np.array([0.5, -0.5]), np.array([1.0])]
    around = GaussianPlans(2).around(misfits, 3)
    assert around.mean.tolist() == [[0, 0], [0.5, -0.5], [0, 0]]
    board = Board()
    search = CrossEntropyMethod(
        board, GaussianPlans(2), objective=Objective(enough=0.5), budget=BUDGET, horizon=4, num_samples=64
    )
    assert walk(board, START, search.plan(board.reset(START), misfits).actions)[-1] == GOAL
