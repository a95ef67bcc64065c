"""Monte Carlo tree search over texts; many leaves are imagined in one model call."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from wm_gym.actions import Action
from wm_gym.planning.budget import Budget
from wm_gym.planning.imagined_tree import ImaginedTree
from wm_gym.planning.plan_distributions import CategoricalPlans
from wm_gym.planning.planner import (
    Dynamics,
    Imagination,
    Objective,
    Plan,
    check_one_world,
    check_positive,
    check_vocabulary,
)
from wm_gym.planning.puct import Branch, Puct, Way
from wm_gym.planning.refutation import Refutation
from wm_gym.world_state import WorldState

Prior = Callable[[UInt8[np.ndarray, "batch height width 3"]], Float[np.ndarray, "batch texts"]]
"""Probabilities of the vocabulary's texts in each frame."""


class MonteCarloTreeSearch:
    """Grows a tree of imagined worlds where it promises most: PUCT, see `wm_gym.planning.puct`.

    Each moment keeps its world until every text has been said there, so memory grows with the budget: at most
    `WorldState.nbytes` for each model step.

    Args:
        dynamics: the model.
        vocabulary: the texts that may be said.
        objective: what makes a plan good; a leaf is worth `goal.values`, or with `rollout_steps` what follows it.
        budget: what a plan may cost.
        num_leaves: leaves imagined in one model call.
        rollout_steps: steps under random texts after each leaf, 0 for none; every one of them is paid for.
        max_depth: steps of the longest plan.
        prior: a policy that says what is likely; None takes all texts for equally likely.
        seed: of the random texts.

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
        num_leaves: int = 32,
        rollout_steps: int = 0,
        max_depth: int = 64,
        prior: Prior | None = None,
        seed: int = 0,
    ) -> None:
        check_positive(num_leaves=num_leaves, max_depth=max_depth)
        if rollout_steps < 0:
            raise ValueError(f"rollout_steps must be at least 0, got {rollout_steps}")
        self._dynamics = dynamics
        self._vocabulary = check_vocabulary(vocabulary)
        self._objective = objective
        self._budget = budget
        self._num_leaves = num_leaves
        self._rollout_steps = rollout_steps
        self._max_depth = max_depth
        self._prior = prior
        self._rng = np.random.default_rng(seed)

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """See `Planner`: the most visited way, or the first one found that is enough. The warm start is tried first."""
        check_one_world(state)
        imagination = Imagination(self._dynamics, self._objective, self._budget, refutations)
        frame = state.frames[:, -1].cpu().numpy()
        tree = ImaginedTree.rooted(frame[0])
        root = self._branch(0, state, 0.0, (0.0, 0.0), False, frame)
        puct = Puct(root, self._objective.discount, self._max_depth)
        warm = [
            self._vocabulary.index(each) for each in warm_start if isinstance(each, str) and each in self._vocabulary
        ]
        cost = 1 + self._rollout_steps
        while not imagination.meter.is_spent and (puct.best is None or puct.best[0] < self._objective.enough):
            most = max(1, imagination.meter.afford(self._num_leaves * cost) // cost)
            leaves = puct.follow(warm) or puct.select(most)
            if not leaves:
                break  # the whole tree is known
            self._imagine(leaves, imagination, tree, puct)
        return self._chosen(puct, imagination, tree)

    def _imagine(
        self,
        leaves: Sequence[tuple[Way, int]],
        imagination: Imagination,
        tree: ImaginedTree,
        puct: Puct,
    ) -> None:
        """Say all chosen texts in one model call, judge where they lead, and tell the nodes above."""
        texts = [self._vocabulary[text] for _, text in leaves]
        worlds = [way[-1].world for way, _ in leaves]
        state, output = imagination.step(WorldState.cat([world for world in worlds if world is not None]), texts)
        frames, ended = output.frames[:, -1].cpu().numpy(), output.terminated.tolist()
        known: list[float] = imagination.values(state, output.uncertainty).tolist()
        values = self._judge(state, ended, known, imagination)
        for row, (way, text) in enumerate(leaves):
            reward = float(output.reward[row])
            worth = reward + self._objective.discount * values[row]
            moment = tree.add(way[-1].moment, texts[row], frames[row], worth)
            world = state.select([row])
            child = self._branch(moment, world, reward, (values[row], known[row]), ended[row], frames[row : row + 1])
            child.pending, child.believed = 1, bool(output.uncertainty[row].isfinite())
            way[-1].children[text] = child
            if not way[-1].unsaid:
                way[-1].world = None
            puct.back_up([*way, child])

    def _judge(
        self, state: WorldState, ended: Sequence[bool], known: Sequence[float], imagination: Imagination
    ) -> list[float]:
        """What each leaf is worth: what the goal says, or what follows under random texts."""
        values = list(known)
        going_on = [row for row, over in enumerate(ended) if not over]
        if not self._rollout_steps or not going_on:
            return values
        distribution = CategoricalPlans(self._vocabulary).around([], self._rollout_steps)
        plans = distribution.sample(self._rng, len(going_on))
        plans = plans[: imagination.meter.afford(len(plans) * self._rollout_steps) // self._rollout_steps]
        if plans:
            going_on = going_on[: len(plans)]
            _, returns = imagination.roll_out(state.select(going_on), plans)
            for row, value in zip(going_on, returns.tolist(), strict=True):
                values[row] = values[row] if value == -math.inf else value
        return values

    def _branch(
        self,
        moment: int,
        world: WorldState,
        reward: float,
        values: tuple[float, float],
        ended: bool,
        frame: np.ndarray,
    ) -> Branch:
        """A new node, with all texts unsaid; `values` are its leaf value and its known one."""
        count = len(self._vocabulary)
        prior = np.full(count, 1 / count) if self._prior is None else np.array(self._prior(frame)[0], np.float64)
        if prior.shape != (count,) or not ((prior >= 0) & np.isfinite(prior)).all():
            raise ValueError(f"prior must return {count} probabilities a picture, got {prior}")
        return Branch(
            moment=moment,
            world=None if ended else world,
            reward=reward,
            leaf_value=values[0],
            known_value=values[1],
            ended=ended,
            prior=prior,
            unsaid=set() if ended else set(range(count)),
        )

    def _chosen(self, puct: Puct, imagination: Imagination, tree: ImaginedTree) -> Plan:
        """The plan.

        Raises:
            ValueError: the budget did not suffice for a single step.
        """
        if puct.best is None:
            raise ValueError("budget must allow at least one model step, got none; pass a larger one")
        best_value, best = puct.best
        end = best if best_value >= self._objective.enough else _most_visited(puct.root)
        way = tree.choose(end.moment)
        return Plan(
            actions=tree.actions(way),
            value=best_value if best_value >= self._objective.enough else puct.root.value,
            frames=tree.frames(way),
            model_steps=imagination.meter.model_steps,
            seconds=imagination.meter.seconds,
            tree=tree,
            ended=end.ended and end.believed,
        )


def _most_visited(root: Branch) -> Branch:
    """The end of the most visited way."""
    node = root
    while (child := node.favourite) is not None:
        node = child
    return node
