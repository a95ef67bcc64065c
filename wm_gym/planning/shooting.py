"""Planning by drawing plans: random shooting, and the cross-entropy method that draws nearer to the best ones."""

import math
from collections.abc import Sequence

import numpy as np

from wm_gym.actions import Action
from wm_gym.planning.budget import Budget
from wm_gym.planning.imagined_tree import ImaginedTree
from wm_gym.planning.plan_distributions import PlanDistribution
from wm_gym.planning.planner import Dynamics, Imagination, Objective, Plan, check_one_world, check_positive
from wm_gym.planning.refutation import Refutation
from wm_gym.rollout import Rollout
from wm_gym.world_state import WorldState

SHOWN_FUTURES = 8  # of the best ones, in the tree


class CrossEntropyMethod:
    """Draws plans, keeps the best, draws from what they have in common; as often as said, or until the budget ends.

    The cross-entropy method (Rubinstein & Kroese 2004), as PETS (arXiv 1805.12114) plans with it: `CategoricalPlans`
    for texts, `GaussianPlans` for numbers. The best plan of each iteration stays among the next one's.

    Args:
        dynamics: the model.
        distribution: what plans are first drawn from.
        objective: what makes a plan good.
        budget: what a plan may cost.
        horizon: steps of a plan.
        num_samples: plans of an iteration.
        num_iterations: how often.
        num_elites: how many of the best the distribution is fitted to.
        momentum: how much of the last distribution stays, in [0, 1).
        seed: of what is drawn.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        distribution: PlanDistribution,
        *,
        objective: Objective,
        budget: Budget,
        horizon: int = 12,
        num_samples: int = 64,
        num_iterations: int = 4,
        num_elites: int = 8,
        momentum: float = 0.1,
        seed: int = 0,
    ) -> None:
        check_positive(horizon=horizon, num_samples=num_samples, num_iterations=num_iterations, num_elites=num_elites)
        if num_elites > num_samples:
            raise ValueError(f"num_elites must be at most num_samples, {num_samples}, got {num_elites}")
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {momentum}")
        self._dynamics = dynamics
        self._distribution = distribution
        self._objective = objective
        self._budget = budget
        self._horizon = horizon
        self._num_samples = num_samples
        self._num_iterations = num_iterations
        self._num_elites = num_elites
        self._momentum = momentum
        self._rng = np.random.default_rng(seed)

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """See `Planner`. The first plans are drawn around the warm start, and it is one of them.

        Raises:
            ValueError: also where the budget does not suffice for one plan.
        """
        check_one_world(state)
        imagination = Imagination(self._dynamics, self._objective, self._budget, refutations)
        distribution = self._distribution.around(warm_start, self._horizon)
        best = _Best(state)
        candidates = self._filled_up(distribution, warm_start)
        for _ in range(self._num_iterations):
            plans = [*candidates, *distribution.sample(self._rng, self._num_samples - len(candidates))]
            plans = plans[: imagination.meter.afford(len(plans) * self._horizon) // self._horizon]
            if not plans:
                break
            futures, values = imagination.roll_out(state, plans, keep_frames=True)
            order = values.argsort(descending=True, stable=True).tolist()
            best.look_at(plans, futures, values.tolist(), order)
            if best.value >= self._objective.enough:
                break
            distribution = distribution.refit([plans[row] for row in order[: self._num_elites]], self._momentum)
            candidates = [best.actions] if best.actions else []
        return best.plan(imagination)

    def _filled_up(self, distribution: PlanDistribution, warm_start: Sequence[Action]) -> list[list[Action]]:
        """The warm start as a plan of the full horizon, other actions where its own are none; nothing without one."""
        if not len(warm_start):
            return []
        plan = distribution.sample(self._rng, 1)[0]
        for time, action in enumerate(warm_start[: self._horizon]):
            plan[time] = action if distribution.fits(action) else plan[time]
        return [plan]


class RandomShooting(CrossEntropyMethod):
    """Draws plans once and takes the best: the cross-entropy method with a single iteration.

    Args:
        dynamics: the model.
        distribution: what plans are drawn from.
        objective: what makes a plan good.
        budget: what a plan may cost.
        horizon: steps of a plan.
        num_samples: plans.
        seed: of what is drawn.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        distribution: PlanDistribution,
        *,
        objective: Objective,
        budget: Budget,
        horizon: int = 12,
        num_samples: int = 256,
        seed: int = 0,
    ) -> None:
        super().__init__(
            dynamics,
            distribution,
            objective=objective,
            budget=budget,
            horizon=horizon,
            num_samples=num_samples,
            num_iterations=1,
            num_elites=1,
            momentum=0.0,
            seed=seed,
        )


class _Best:
    """The best future so far, and the tree of those that came near it."""

    def __init__(self, state: WorldState) -> None:
        self.actions: list[Action] = []
        self.value = -math.inf
        self._tree = ImaginedTree.rooted(state.frames[0, -1].cpu().numpy())
        self._last, self._ended = 0, False

    def look_at(
        self, plans: Sequence[Sequence[Action]], futures: Rollout, values: Sequence[float], order: Sequence[int]
    ) -> None:
        """Take in an iteration."""
        shown = [row for row in order[:SHOWN_FUTURES] if values[row] > -math.inf]
        if not shown or values[shown[0]] <= self.value:
            return
        self.actions, self.value = list(plans[shown[0]]), values[shown[0]]
        self._tree = ImaginedTree(self._tree.moments[:1])
        ends = [self._grow(plans[row], futures, row, values[row]) for row in shown]
        self._last = ends[0]
        believed = futures.uncertainties[shown[0]].isfinite().all()
        self._ended = bool(futures.terminated[shown[0]].any() & believed)

    def plan(self, imagination: Imagination) -> Plan:
        """The best future as a plan.

        Raises:
            ValueError: none was imagined to its end.
        """
        if not self.actions:
            raise ValueError("budget must allow at least one whole plan, got none done; pass a larger one")
        way = self._tree.choose(self._last)
        return Plan(
            actions=tuple(self.actions[: len(way)]),
            value=self.value,
            frames=self._tree.frames(way),
            model_steps=imagination.meter.model_steps,
            seconds=imagination.meter.seconds,
            tree=self._tree,
            ended=self._ended,
        )

    def _grow(self, plan: Sequence[Action], futures: Rollout, row: int, value: float) -> int:
        """Put a future into the tree; it shares what others began alike."""
        assert futures.frames is not None, "asked for"
        at = 0
        children: dict[tuple[int, str], int] = {
            (moment.parent, str(moment.action)): number
            for number, moment in enumerate(self._tree.moments)
            if moment.parent is not None
        }
        for time in range(int(futures.num_steps[row])):
            known = children.get((at, str(plan[time])))
            frame = futures.frames[row, time, -1].cpu().numpy()
            at = self._tree.add(at, plan[time], frame, value) if known is None else known
        return at
