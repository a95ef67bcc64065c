"""Planning among the plans of an agent that has no world model: each is imagined, and the best one is followed."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from wm_gym.actions import Action
from wm_gym.planning.budget import Budget
from wm_gym.planning.novelty import PatchCodes
from wm_gym.planning.planner import Dynamics, Imagination, Objective, Plan, check_one_world, check_positive
from wm_gym.planning.refutation import Refutation
from wm_gym.planning.search import Node, StateSearch
from wm_gym.world_state import WorldState


@runtime_checkable
class PlanProposer(Protocol):
    """What an agent would do without a world model: any callable of this shape will do."""

    def __call__(
        self, frame: UInt8[np.ndarray, "height width 3"], num_plans: int, rng: np.random.Generator, /
    ) -> Sequence[Sequence[Action]]:
        """Plans from here on.

        Args:
            frame: what is seen now.
            num_plans: how many to return, each of at least one action; they may differ in length.
            rng: draws them.
        """
        ...


class BestOfN:
    """Asks a proposer for plans, imagines all of them, and takes the one that the objective likes best.

    So PAN's agent plans (arXiv 2511.09057). Plans that begin alike are one world until they part. They are judged by
    where they end; where a world on the way is good enough, or the budget ends, also by how far they came. Where none
    gets better than it begins, the one that leads to the rarest sight is followed.

    Args:
        dynamics: the model.
        propose: the prior, what the agent would do without a world model.
        objective: what makes a plan good.
        budget: what a plan may cost; what is beyond it is not imagined.
        num_plans: plans to choose from.
        seed: of what the proposer draws.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        propose: PlanProposer,
        *,
        objective: Objective,
        budget: Budget,
        num_plans: int = 64,
        seed: int = 0,
    ) -> None:
        check_positive(num_plans=num_plans)
        self._dynamics = dynamics
        self._propose = propose
        self._objective = objective
        self._budget = budget
        self._num_plans = num_plans
        self._rng = np.random.default_rng(seed)

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """See `Planner`. The warm start is one more plan, the first to be imagined, and cut short where it is best.

        Raises:
            ValueError: also where the proposer returns no plans, or an empty one.
        """
        check_one_world(state)
        imagination = Imagination(self._dynamics, self._objective, self._budget, refutations)
        search = StateSearch(imagination, state, (), PatchCodes(), deduplicate=False)
        frame = state.frames[0, -1].cpu().numpy().copy()  # a proposer may write to it
        plans = self._proposed(frame)
        search.follow(warm_start)
        ends = [] if search.best is None else [search.best]
        under_way = [(search.root, plan) for plan in plans]
        while under_way and not search.is_over:
            arrived = _step_all(search, under_way)
            ends += [node for node, plan in arrived if node.ended or not plan]
            under_way = [(node, plan) for node, plan in arrived if plan and not node.ended]
        if under_way and search.best is not None:  # good enough, or out of budget: what was seen until then counts
            ends.append(search.best)
        return search.plan(ends)

    def _proposed(self, frame: UInt8[np.ndarray, "height width 3"]) -> list[list[Action]]:
        """What the proposer says.

        Raises:
            ValueError: no plans, or what is none.
        """
        plans = self._propose(frame, self._num_plans, self._rng)
        are_lists = isinstance(plans, Sequence) and not isinstance(plans, str)
        if not are_lists or not plans or any(isinstance(plan, str) or not len(plan) for plan in plans):
            raise ValueError(f"propose must return {self._num_plans} plans of at least one action each, got {plans}")
        return [list(plan) for plan in plans]


def _step_all(search: StateSearch, under_way: Sequence[tuple[Node, list[Action]]]) -> list[tuple[Node, list[Action]]]:
    """One step of each plan, from where it has come to; returns where it has come to then, with what is left of it."""
    pairs: dict[tuple[int, str | bytes], tuple[Node, Action]] = {}
    keys = []
    for node, plan in under_way:
        keys.append((node.moment, plan[0] if isinstance(plan[0], str) else np.asarray(plan[0], np.float32).tobytes()))
        pairs.setdefault(keys[-1], (node, plan[0]))
    children = dict(zip(pairs, search.step(list(pairs.values())), strict=False))  # fewer where the budget ends
    for node, _ in under_way:
        node.world = None  # its memory is free again
    return [(children[key], plan[1:]) for key, (_, plan) in zip(keys, under_way, strict=True) if key in children]
