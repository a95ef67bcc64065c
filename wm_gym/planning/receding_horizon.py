"""Model predictive control: act along a plan, and plan again when the world does not do what was imagined."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from wm_gym.actions import Action
from wm_gym.planning.novelty import PatchCodes
from wm_gym.planning.planner import Plan, Planner, check_positive
from wm_gym.world_state import WorldState


@dataclass(frozen=True, kw_only=True, eq=False)
class Pursuit:
    """A plan under way: a value, nothing changes it.

    Attributes:
        plan: what is followed.
        num_done: how many of its actions have been taken.
        num_plans: plans made so far in this episode.
        model_steps: world steps that all of them cost.
        seconds: wall time that all of them took.
    """

    plan: Plan
    num_done: int
    num_plans: int
    model_steps: int
    seconds: float

    @property
    def rest(self) -> tuple[Action, ...]:
        """What is still to be done."""
        return self.plan.actions[self.num_done :]


class RecedingHorizon:
    """Follows a planner's plans.

    A new plan is made where there is none, the last one is used up, `replan_every` actions of it are done, or the
    world looks other than imagined. What is left of the last one is the new one's warm start.

    Args:
        planner: makes the plans.
        replan_every: actions taken of a plan; None follows it for as long as the world does what was imagined.
        patch: pixels a side of the patches that frames are compared by.
        tolerance: how far a patch may be from the imagined one, root mean square in grey levels.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self, planner: Planner, *, replan_every: int | None = None, patch: int = 8, tolerance: float = 10.0
    ) -> None:
        if replan_every is not None:
            check_positive(replan_every=replan_every)
        PatchCodes(patch, tolerance)  # refuses what is out of range
        self._planner = planner
        self._replan_every = replan_every
        self._patch = patch
        self._tolerance = tolerance

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
        if pursuit is None or self._must_replan(frame, pursuit):
            pursuit = self._replan(world(), pursuit)
        action = pursuit.rest[0]
        return action, Pursuit(
            plan=pursuit.plan,
            num_done=pursuit.num_done + 1,
            num_plans=pursuit.num_plans,
            model_steps=pursuit.model_steps,
            seconds=pursuit.seconds,
        )

    def _must_replan(self, frame: UInt8[np.ndarray, "height width 3"], pursuit: Pursuit) -> bool:
        done = pursuit.num_done
        if not pursuit.rest or done == self._replan_every or done > len(pursuit.plan.frames):
            return True
        both = PatchCodes(self._patch, self._tolerance).encode(np.stack([pursuit.plan.frames[done - 1], frame]))
        return not np.array_equal(both[0], both[1])

    def _replan(self, state: WorldState, last: Pursuit | None) -> Pursuit:
        plan = self._planner.plan(state, () if last is None else last.rest)
        return Pursuit(
            plan=plan,
            num_done=0,
            num_plans=1 + (0 if last is None else last.num_plans),
            model_steps=plan.model_steps + (0 if last is None else last.model_steps),
            seconds=plan.seconds + (0 if last is None else last.seconds),
        )
