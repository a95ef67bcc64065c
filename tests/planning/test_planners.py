"""All planners in a world whose best plans are known."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.planning.boards import UNSURE, VOCABULARY, Board, cell_of
from tests.production import unchecked
from tests.worlds import GOAL, draw
from wm_gym.actions import Action
from wm_gym.planning import (
    BeamSearch,
    BestFirstSearch,
    BestOfN,
    Budget,
    CategoricalPlans,
    CrossEntropyMethod,
    GaussianPlans,
    ImageGoal,
    MonteCarloTreeSearch,
    Objective,
    Plan,
    Planner,
    RandomShooting,
    TextGoal,
)
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState

Make = Callable[..., Planner]
START = (1, 1)  # 2 to the right (or to the left), 2 down: 4 steps


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
BUDGET = Budget(model_steps=4000)


def walk(board: Board, start: tuple[int, int], actions: Sequence[Any]) -> list[tuple[int, int]]:
    """The cells that actions lead over."""
    state, cells = board.reset(start), []
    for action in actions:
        state, _ = board.step(state, [action])
        cells.append(cell_of(state.frames[0]))
    return cells


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


@pytest.mark.parametrize("make", [beam, best_first])
def test_search_finds_the_shortest_plan(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START))
    assert len(plan.actions) == 4
    assert plan.value == pytest.approx(0.99**3)


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
    bold = Objective(uncertainty_penalty=0.0, discount=0.9)
    careful = Objective(uncertainty_penalty=10.0, discount=0.9)
    plan = make(board, careful, BUDGET).plan(board.reset(start))
    cells = walk(board, start, plan.actions)
    assert not column & set(cells)
    unafraid = make(board, bold, BUDGET).plan(board.reset(start))
    assert unafraid.value >= plan.value


@each_planner
def test_what_is_not_believed_leads_nowhere(make: Make) -> None:
    column = frozenset({(0, 1), (0, 2), (0, 3)})
    board = Board(unsure=column, walls=frozenset({(2, 2), (2, 3)}))
    start = (1, 1)
    objective = Objective(uncertainty_penalty=0.0, max_uncertainty=UNSURE / 2, discount=0.9)
    cells = walk(board, start, make(board, objective, Budget(model_steps=1500)).plan(board.reset(start)).actions)
    assert not column & set(cells)
    believing = Objective(uncertainty_penalty=0.0, max_uncertainty=UNSURE, discount=0.9)
    assert (
        walk(board, (0, 2), make(board, believing, Budget(model_steps=1500)).plan(board.reset((0, 2))).actions)[1]
        == GOAL
    )


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


@pytest.mark.parametrize("prior", [[0.5, 0.5], [math.nan] * 4])
def test_prior_that_is_none_is_refused(prior: list[float]) -> None:
    search = MonteCarloTreeSearch(
        Board(), VOCABULARY, objective=Objective(), budget=BUDGET, prior=lambda frames: np.array([prior])
    )
    with pytest.raises(ValueError, match="prior must return 4 probabilities a picture"):
        search.plan(Board().reset(START))


@each_planner
def test_what_a_warm_start_says_beside_the_vocabulary_is_left_out(make: Make) -> None:
    board = Board()
    plan = make(board, Objective(enough=0.5), BUDGET).plan(board.reset(START), ["sing", "go down"])
    assert walk(board, START, plan.actions)[-1] == GOAL


def test_numbers_take_no_texts_as_a_warm_start() -> None:
    misfits: list[Action] = ["sing", np.array([0.5, -0.5]), np.array([1.0])]
    around = GaussianPlans(2).around(misfits, 3)
    assert around.mean.tolist() == [[0, 0], [0.5, -0.5], [0, 0]]
    board = Board()
    search = CrossEntropyMethod(
        board, GaussianPlans(2), objective=Objective(enough=0.5), budget=BUDGET, horizon=4, num_samples=64
    )
    assert walk(board, START, search.plan(board.reset(START), misfits).actions)[-1] == GOAL


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


@each_planner
def test_warm_start_is_tried_first(make: Make) -> None:
    board = Board()
    known = ["go right", "go right", "go down", "go down", "wait", "wait"]
    budget = Budget(model_steps=60)
    plan = make(board, Objective(enough=0.5), budget).plan(board.reset(START), known)
    assert plan.actions == tuple(known[:4])


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
