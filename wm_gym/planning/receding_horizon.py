"""Model predictive control: act along a plan, and plan again when the world does not do what was imagined."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8

from wm_gym.actions import Action
from wm_gym.planning.novelty import PatchCodes
from wm_gym.planning.planner import Plan, Planner, check_positive
from wm_gym.planning.refutation import Refutation
from wm_gym.world_state import WorldState


@dataclass(frozen=True, kw_only=True, eq=False)
class Pursuit:
    """A plan under way: a value, nothing changes it.

    Attributes:
        plan: what is followed.
        frame: what was seen when the last action was chosen.
        num_done: how many of its actions have been taken.
        num_plans: plans made so far in this episode.
        model_steps: world steps that all of them cost.
        seconds: wall time that all of them took.
        refutations: what the world did otherwise than imagined, in this episode.
    """

    plan: Plan
    frame: UInt8[np.ndarray, "height width 3"]
    num_done: int
    num_plans: int
    model_steps: int
    seconds: float
    refutations: tuple[Refutation, ...]

    @property
    def rest(self) -> tuple[Action, ...]:
        """What is still to be done."""
        return self.plan.actions[self.num_done :]


class RecedingHorizon:
    """Follows a planner's plans.

    A new plan is made where there is none, the last one is used up, `replan_every` actions of it are done, or the
    world looks other than imagined. What is left of the last one is the new one's warm start. A step that went other
    than imagined is a refutation: from the same sight, later plans of the episode gain nothing by it.

    Args:
        planner: makes the plans.
        replan_every: actions taken of a plan; None follows it for as long as the world does what was imagined.
        patch: pixels a side of the patches that frames are compared by.
        tolerance: how far a patch may be from the imagined one, root mean square in grey levels.
        max_refutations: refutations kept, the last ones; 0 for worlds where the same step often goes another way.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        planner: Planner,
        *,
        replan_every: int | None = None,
        patch: int = 8,
        tolerance: float = 10.0,
        max_refutations: int = 16,
    ) -> None:
        if replan_every is not None:
            check_positive(replan_every=replan_every)
        PatchCodes(patch, tolerance)  # refuses what is out of range
        if max_refutations < 0:
            raise ValueError(f"max_refutations must be at least 0, got {max_refutations}")
        self._planner = planner
        self._replan_every = replan_every
        self._patch = patch
        self._tolerance = tolerance
        self._max_refutations = max_refutations

    def act(
        self,
        frame: UInt8[np.ndarray, "height width 3"],
        world: Callable[[], WorldState],
        pursuit: Pursuit | None = None,
    ) -> tuple[Action, Pursuit]:
        """The next action, and the pursuit to come back with.

        Args:
            frame: what is seen now.
            world: gives the state to plan from; it is only asked where a plan is made.
            pursuit: from the last call in this episode; None at its beginning.
        """
        if pursuit is None:
            pursuit = self._first(world(), frame)
        else:
            surprised = self._is_surprised(frame, pursuit)
            if surprised or not pursuit.rest or pursuit.num_done == self._replan_every:
                pursuit = self._next(world(), pursuit, surprised)
        return pursuit.rest[0], replace(pursuit, frame=frame, num_done=pursuit.num_done + 1)

    def _is_surprised(self, frame: UInt8[np.ndarray, "height width 3"], pursuit: Pursuit) -> bool:
        """Whether the world looks other than imagined, or goes on where it should have ended."""
        plan, done = pursuit.plan, pursuit.num_done
        if done > len(plan.frames) or (plan.ended and done == len(plan.actions)):
            return True
        both = PatchCodes(self._patch, self._tolerance).encode(np.stack([plan.frames[done - 1], frame]))
        return not np.array_equal(both[0], both[1])

    def _first(self, state: WorldState, frame: UInt8[np.ndarray, "height width 3"]) -> Pursuit:
        plan = self._planner.plan(state)
        return Pursuit(
            plan=plan,
            frame=frame,
            num_done=0,
            num_plans=1,
            model_steps=plan.model_steps,
            seconds=plan.seconds,
            refutations=(),
        )

    def _next(self, state: WorldState, last: Pursuit, surprised: bool) -> Pursuit:
        refutations = last.refutations
        if surprised and self._max_refutations:
            new = Refutation(
                frame=last.frame,
                action=last.plan.actions[last.num_done - 1],
                patch=self._patch,
                tolerance=self._tolerance,
            )
            refutations = (*refutations, new)[-self._max_refutations :]
        plan = self._planner.plan(state, last.rest, refutations)
        return replace(
            last,
            plan=plan,
            num_done=0,
            num_plans=last.num_plans + 1,
            model_steps=last.model_steps + plan.model_steps,
            seconds=last.seconds + plan.seconds,
            refutations=refutations,
        )
