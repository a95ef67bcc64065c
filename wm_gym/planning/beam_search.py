"""Beam search: the best few imagined states of every depth, all of a depth in one model call."""

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


class BeamSearch:
    """Steps the `width` best worlds with every text, and keeps the `width` best new ones, down to `horizon`.

    Args:
        dynamics: the model.
        vocabulary: the texts that may be said.
        objective: what makes a plan good.
        budget: what a plan may cost.
        width: worlds kept at each depth.
        horizon: steps of the longest plan.
        novelty_weight: what a sight never seen before is worth, against returns.
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
        width: int = 16,
        horizon: int = 32,
        novelty_weight: float = 1.0,
        deduplicate: bool = True,
        patch: int = 8,
        tolerance: float = 10.0,
    ) -> None:
        check_positive(width=width, horizon=horizon)
        PatchCodes(patch, tolerance)  # refuses what is out of range
        if not math.isfinite(novelty_weight):
            raise ValueError(f"novelty_weight must be finite, got {novelty_weight}")
        self._dynamics = dynamics
        self._vocabulary = check_vocabulary(vocabulary)
        self._objective = objective
        self._budget = budget
        self._width = width
        self._horizon = horizon
        self._novelty_weight = novelty_weight
        self._deduplicate = deduplicate
        self._patch = patch
        self._tolerance = tolerance

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """See `Planner`. The worlds along the warm start join the beam at their depth."""
        check_one_world(state)
        imagination = Imagination(self._dynamics, self._objective, self._budget, refutations)
        codes = PatchCodes(self._patch, self._tolerance)
        search = StateSearch(imagination, state, self._vocabulary, codes, self._deduplicate)

        def priority(node: Node) -> float:
            return node.value + self._novelty_weight * search.novelty.of(node.codes)

        warm = {node.depth: node for node in search.follow(warm_start[: self._horizon])}
        beam = [search.root]
        for depth in range(1, self._horizon + 1):
            if not beam or search.is_over:
                break
            children = [*search.expand(beam), *([warm[depth]] if depth in warm else [])]
            beam = sorted((node for node in children if not node.ended), key=priority, reverse=True)[: self._width]
        return search.plan()
