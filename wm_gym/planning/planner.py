"""What all planners share: the face, the plan, and the world that they imagine in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wm_gym.actions import Action
from wm_gym.planning.budget import Budget, Meter
from wm_gym.planning.goals import Goal, RewardGoal
from wm_gym.planning.imagined_tree import ImaginedTree
from wm_gym.planning.refutation import Refutation, find_refuted
from wm_gym.rollout import Rollout, roll_out
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState


@runtime_checkable
class Dynamics(Protocol):
    """What plans are tried out in: a `WorldModel`, or anything that steps states like one."""

    def step(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        """One transition of every world in the batch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What makes one plan better than another.

    A step is worth `goal.rewards - uncertainty_penalty * uncertainty` (MOPO, arXiv 2005.13239): a planner finds every
    flaw of its model, and where the model is unsure they are.

    Attributes:
        goal: where rewards and values come from.
        discount: factor a step, in (0, 1].
        uncertainty_penalty: weight of the uncertainty, at least 0.
        max_uncertainty: a step above it is not believed: the future ends there, and nothing is gained by it. Take it
            from how uncertain right and wrong steps are, as `wm-gym evaluate` tells.
        enough: stop searching once a plan is worth so much.

    Raises:
        ValueError: a number out of range.
    """

    goal: Goal = field(default_factory=RewardGoal)
    discount: float = 0.99
    uncertainty_penalty: float = 0.1
    max_uncertainty: float = math.inf
    enough: float = math.inf

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount must be in (0, 1], got {self.discount}")
        if not 0 <= self.uncertainty_penalty < math.inf:
            raise ValueError(f"uncertainty_penalty must be at least 0 and finite, got {self.uncertainty_penalty}")
        if math.isnan(self.enough):
            raise ValueError("enough must be a number, got nan; math.inf searches to the end of the budget")
        if not self.max_uncertainty > 0:
            raise ValueError(f"max_uncertainty must be above 0, got {self.max_uncertainty}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What to do, and what the planner believes will happen.

    Attributes:
        actions: from now on, at least one.
        value: pessimistic discounted return.
        frames: the last frame imagined after each action, uint8; fewer than actions where the episode ends before.
        model_steps: world steps that the search cost.
        seconds: wall time that the search took.
        tree: what was imagined, for a picture.
        ended: whether the last action is believed to end the episode.
    """

    actions: tuple[Action, ...]
    value: float
    frames: UInt8[np.ndarray, "steps height width 3"]
    model_steps: int
    seconds: float
    tree: ImaginedTree
    ended: bool = False


@runtime_checkable
class Planner(Protocol):
    """Searches for a plan from a state."""

    def plan(
        self, state: WorldState, warm_start: Sequence[Action] = (), refutations: Sequence[Refutation] = ()
    ) -> Plan:
        """The best plan that the budget allows.

        Args:
            state: one world; it stays as it is.
            warm_start: what is left of an earlier plan, to try first.
            refutations: steps that the model is known to be wrong about; no plan gains by them.

        Raises:
            ValueError: a state of more than one world, or one that the model refuses.
        """
        ...


class Imagination:
    """One search's view of the model: rewards are those of the objective, and every step is counted.

    Args:
        dynamics: the model.
        objective: what rewards mean.
        budget: what the search may cost.
        refutations: steps that are not believed.
    """

    def __init__(
        self, dynamics: Dynamics, objective: Objective, budget: Budget, refutations: Sequence[Refutation] = ()
    ) -> None:
        self.objective = objective
        self.meter = Meter(budget=budget)
        self._dynamics = dynamics
        self._refutations = tuple(refutations)
        self._lowest = 0.0

    def step(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        """A counted step: rewards are the objective's; what is not believed ends, and is infinitely uncertain."""
        self.meter.model_steps += len(actions)
        seen = state.frames[:, -1].cpu().numpy() if self._refutations else None
        state, output = self._dynamics.step(state, actions)
        unbelieved = output.uncertainty > self.objective.max_uncertainty
        if seen is not None:
            unbelieved |= torch.as_tensor(find_refuted(self._refutations, seen, actions), device=unbelieved.device)
        gained = self.objective.goal.rewards(output)
        gained = torch.where(unbelieved, gained.clamp(max=0), gained)
        return state, replace(
            output,
            reward=gained - self.objective.uncertainty_penalty * output.uncertainty,
            uncertainty=output.uncertainty.masked_fill(unbelieved, math.inf),
            terminated=output.terminated | unbelieved,
        )

    def values(self, state: WorldState, uncertainty: Float[Tensor, "batch"]) -> Float[Tensor, "batch"]:
        """What the goal says of being in these worlds.

        Where the step that led there is not believed that is 0, or the lowest value seen so far where it is negative.
        """
        values, unbelieved = self.objective.goal.values(state), uncertainty.isinf()
        self._lowest = min([self._lowest, *values[~unbelieved].tolist()])
        return values.masked_fill(unbelieved, self._lowest)

    def roll_out(
        self, state: WorldState, plans: Sequence[Sequence[Action]], *, keep_frames: bool = False
    ) -> tuple[Rollout, Float[Tensor, "plans"]]:
        """Futures and what they are worth; those that the budget's time cut short are judged by what is there."""
        futures = roll_out(
            self.step,
            state,
            plans,
            keep_frames=keep_frames,
            keep_state=True,
            share_prefixes=True,
            should_stop=lambda: self.meter.model_steps_left <= 0,
        )
        assert futures.state is not None, "asked for"
        final = self.objective.discount**futures.num_steps * self.values(
            futures.state, futures.uncertainties.amax(dim=1)
        )
        values = futures.returns(self.objective.discount) + final
        return futures, torch.where(futures.num_steps > 0, values, -math.inf)


def check_one_world(state: WorldState) -> None:
    """Check what a planner starts from.

    Raises:
        ValueError: no state of one world.
    """
    if not isinstance(state, WorldState):
        raise ValueError(f"state must be a WorldState, got {type(state).__name__}; take one from model.reset")
    if state.batch_size != 1:
        raise ValueError(f"state must hold one world, got {state.batch_size}; choose one with state.select([0])")


def check_vocabulary(vocabulary: Sequence[str]) -> tuple[str, ...]:
    """The texts that a planner chooses among.

    Raises:
        ValueError: fewer than two, or the same one twice.
    """
    texts = () if isinstance(vocabulary, str) else tuple(vocabulary)
    if len(texts) < 2 or len(set(texts)) < len(texts):
        raise ValueError(
            f"vocabulary must be at least 2 different texts, got {vocabulary!r}; "
            "take env.unwrapped.get_action_meanings()"
        )
    return texts


def check_positive(**numbers: int) -> None:
    """Check counts.

    Raises:
        ValueError: one is below 1.
    """
    for name, number in numbers.items():
        if not number >= 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
