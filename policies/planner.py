"""An agent that looks at frames, dreams ahead, and acts: `predict` as stable-baselines3's policies have it.

`wm-gym play minigrid --policy policies.planner:best_first` shows it: with F8 it plans in the dream that you play.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym import WorldModel, WorldState
from wm_gym.planning import BestFirstSearch, Budget, Objective, Planner, Pursuit, RecedingHorizon


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanningMemory:
    """What the agent carries from one call of `predict` to the next, for one env.

    Attributes:
        pursuit: the plan under way.
        frames: the last frames seen, as many as the model can look back on.
    """

    pursuit: Pursuit
    frames: UInt8[np.ndarray, "time height width 3"]


class PlanningPolicy:
    """Plans in the world model from what it sees, and follows the plan for as long as the world does as imagined.

    It holds no state of its own: `predict` returns it, and takes it back.

    Args:
        model: the world model. Each plan begins in a fresh state of the last frames seen.
        planner: searches in that model.
        vocabulary: for envs with numbered actions: action i says the ith text. None answers with what is said.
        replan_every: see `RecedingHorizon`.
        tolerance: see `RecedingHorizon`.
        max_refutations: see `RecedingHorizon`.
        seed: of the imagined worlds' noise; every plan draws another.
    """

    def __init__(
        self,
        model: WorldModel,
        planner: Planner,
        *,
        vocabulary: tuple[str, ...] | None = None,
        replan_every: int | None = None,
        tolerance: float = 10.0,
        max_refutations: int = 16,
        seed: int = 0,
    ) -> None:
        self._model = model
        self._control = RecedingHorizon(
            planner, replan_every=replan_every, tolerance=tolerance, max_refutations=max_refutations
        )
        self._vocabulary = vocabulary
        self._rng = np.random.default_rng(seed)

    def predict(
        self,
        observation: Any,
        state: tuple[PlanningMemory, ...] | None = None,
        episode_start: Any = None,
        deterministic: bool = True,
    ) -> tuple[Any, tuple[PlanningMemory, ...]]:
        """Choose the next action.

        Args:
            observation: one env's frame (height, width, 3) or chunk (chunk_frames, height, width, 3), uint8; or a batch
                of either (numbered actions see frames, texts see chunks).
            state: what the last call returned; None at the start.
            episode_start: for each env whether an episode begins with this observation.
            deterministic: ignored, as by every policy without an action distribution.

        Returns:
            The action (a number, a text or numbers), or a list of them for a batch; and the state for the next call.

        Raises:
            ValueError: the observation is none of these, or the state is that of another number of envs.
        """
        seen = np.asarray(observation)
        single = 4 if self._vocabulary is None else 3
        if seen.dtype != np.uint8 or seen.ndim not in (single, single + 1):
            raise ValueError(
                f"observation must be uint8 with {single} axes, or {single + 1} for a batch, "
                f"got {seen.dtype} of shape {seen.shape}"
            )
        batch = seen if seen.ndim == single + 1 else seen[None]
        starts = np.broadcast_to(np.zeros(1, bool) if episode_start is None else np.asarray(episode_start), len(batch))
        memories = [None] * len(batch) if state is None else list(state)
        if len(memories) != len(batch):
            raise ValueError(
                f"state must be that of {len(batch)} envs, as observation is, got {len(memories)}; pass what the last "
                "call returned, or None to begin"
            )
        answers = [
            self._act(frames if single == 4 else frames[None], None if starts[row] else memories[row])
            for row, frames in enumerate(batch)
        ]
        actions = [action for action, _ in answers]
        memory = tuple(memory for _, memory in answers)
        if seen.ndim == single:
            return actions[0], memory
        return actions if self._vocabulary is None else np.asarray(actions), memory

    def _act(self, chunk: np.ndarray, memory: PlanningMemory | None) -> tuple[Any, PlanningMemory]:
        """One env's action."""
        past = chunk if memory is None else np.concatenate([memory.frames, chunk])
        frames = past[-self._model.kept_frames :]

        def world() -> WorldState:
            return self._model.reset(frames[None], seeds=[int(self._rng.integers(2**63 - 1))])

        action, pursuit = self._control.act(chunk[-1], world, None if memory is None else memory.pursuit)
        chosen = action if self._vocabulary is None else self._vocabulary.index(str(action))
        return chosen, PlanningMemory(pursuit=pursuit, frames=frames)


class PlayedPlanner:
    """A policy factory for `wm-gym play`: best-first search for the world's reward.

    Args:
        model_steps: budget of a plan.
        enough: worth of a plan that ends the search.
    """

    needs_twin = False
    """Whether it wants the simulator: it plans in the dream."""

    def __init__(self, model_steps: int = 4000, enough: float = 0.3) -> None:
        self._objective = Objective(enough=enough)
        self._budget = Budget(model_steps=model_steps)

    def __call__(self, env: gym.Env[Any, Any], rng: np.random.Generator) -> Callable[[Any], Any]:
        """A map from chunks to texts, for a learned world."""
        model: WorldModel = env.get_wrapper_attr("model")
        vocabulary = env.get_wrapper_attr("get_action_meanings")()
        search = BestFirstSearch(model, vocabulary, objective=self._objective, budget=self._budget)
        policy = PlanningPolicy(model, search, seed=int(rng.integers(2**63 - 1)))
        memory: tuple[PlanningMemory, ...] | None = None

        def act(chunk: Any) -> Any:
            nonlocal memory
            action, memory = policy.predict(chunk, memory)
            return action

        return act


best_first = PlayedPlanner()
