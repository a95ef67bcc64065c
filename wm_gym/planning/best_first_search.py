"""Best-first search over imagined states, drawn to what is new: for goals that give no sign before they are reached."""

import math
from collections.abc import Sequence

from wm_gym.actions import Action
from wm_gym.planning.budget import Budget
from wm_gym.planning.novelty import PatchCodes
from wm_gym.planning.planner import (
    Dynamics,
    Imagination,
    Objective,
    Plan,
    check_one_world,
    check_positive,
    check_vocabulary,
)
from wm_gym.planning.refutation import Refutation
from wm_gym.planning.search import Node, StateSearch
from wm_gym.world_state import WorldState


class BestFirstSearch:
    """Always expands the worlds of the highest value plus novelty, `num_worlds` of them in one model call.

    It ends when a plan is worth `objective.enough`, when nothing new is left, or with the budget. Where no plan beats
    standing still, it leads to the newest sight.

    Args:
        dynamics: the model.
        vocabulary: the texts that may be said.
        objective: what makes a plan good. Set `enough`, or it goes on to the end of its budget.
        budget: what a plan may cost.
        num_worlds: worlds of one model call, about: more are faster, fewer waste less.
        novelty_weight: what a sight never seen before is worth, against returns.
        max_open: worlds kept for later; the worst are forgotten.
        deduplicate: whether worlds whose frames look alike are one.
        patch: pixels a side of the patches that frames are compared by.
        tolerance: how far equal patches may differ, root mean square in grey levels.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        dynamics: Dynamics,
        vocabulary: Sequence[str],
        *,
        objective: Objective,
        budget: Budget,
        num_worlds: int = 32,
        novelty_weight: float = 1.0,
        max_open: int = 1024,
        deduplicate: bool = True,
        patch: int = 8,
        tolerance: float = 10.0,
    ) -> None:
        check_positive(num_worlds=num_worlds, max_open=max_open)
        PatchCodes(patch, tolerance)  # refuses what is out of range
        if not math.isfinite(novelty_weight):
            raise ValueError(f"novelty_weight must be finite, got {novelty_weight}")
        self._dynamics = dynamics
        self._vocabulary = check_vocabulary(vocabulary)
        self._objective = objective
        self._budget = budget
        self._num_nodes = max(1, num_worlds // len(self._vocabulary))
        self._novelty_weight = novelty_weight
        self._max_open = max_open
        self._deduplicate = deduplicate
        self._patch = patch
        self._tolerance = tolerance

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """See `Planner`. The worlds along the warm start are looked at first."""
        check_one_world(state)
        imagination = Imagination(self._dynamics, self._objective, self._budget, refutations)
        codes = PatchCodes(self._patch, self._tolerance)
        search = StateSearch(imagination, state, self._vocabulary, codes, self._deduplicate)

        def priority(node: Node) -> tuple[float, int]:
            return node.value + self._novelty_weight * search.novelty.of(node.codes), -node.depth

        waiting = [search.root, *search.follow(warm_start)]
        while waiting and not search.is_over:
            waiting.sort(key=priority, reverse=True)
            chosen, waiting = waiting[: self._num_nodes], waiting[self._num_nodes : self._max_open]
            waiting += [node for node in search.expand(chosen) if not node.ended]
        return search.plan()
