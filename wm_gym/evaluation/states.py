"""Reads states off frames, compares them factor by factor, and checks the reader on real frames."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.twin import Env, RealTwin, State, has_states, real_twin
from wm_gym.evaluation.world_plans import PLANS

Matches = dict[str, Bool[np.ndarray, " time"]]


class ReaderError(RuntimeError):
    """The reader misreads real frames: no score of generated frames would mean anything."""


@dataclass(frozen=True)
class StateReader:
    """Reads the states of a twin and says which of their factors are right.

    Attributes:
        twin: The twin.
        tolerances: Factor -> distance within which it is right; other factors must be equal.
    """

    twin: RealTwin
    tolerances: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_exact(self) -> bool:
        """Whether states must be equal: then a single misread real frame is an error."""
        return not self.tolerances and not hasattr(self.twin, "match_state")

    def read(self, observations: UInt8[np.ndarray, "time frames height width channel"]) -> list[State]:
        """Reads the state after each step off the last frame of its chunk."""
        return [self.twin.read_state(chunk[-1]) for chunk in observations]

    def match(self, states: Sequence[State], true_states: Sequence[State]) -> Matches:
        """Says for each factor of the true states at which steps it is right; one that `states` lacks is wrong.

        Args:
            states: One a step.
            true_states: As many, all with the same keys.
        """
        rows = [self._match(state, true) for state, true in zip(states, true_states, strict=True)]
        return {name: np.asarray([row[name] for row in rows], dtype=bool) for name in true_states[0]}

    def _match(self, state: State, true: State) -> dict[str, bool]:
        if hasattr(self.twin, "match_state"):
            return dict(self.twin.match_state(dict(state), dict(true)))
        return {
            name: name in state and _is_near(state[name], true[name], self.tolerances.get(name, 0.0)) for name in true
        }


def reader_of(env: Env, world: str | None) -> StateReader | None:
    """The reader of a twin with the world's tolerances; None where the twin's states cannot be read."""
    plan = PLANS.get(world or "")
    return StateReader(real_twin(env), plan.tolerances if plan else {}) if has_states(env) else None


def whole_state(matches: Matches) -> Bool[np.ndarray, " time"]:
    """At which steps every factor is right."""
    return np.asarray(np.logical_and.reduce(list(matches.values())), dtype=bool)


@dataclass(frozen=True, kw_only=True)
class ReaderCounts:
    """Real frames on which a reader was checked.

    Attributes:
        frames: How many.
        right: How many were read right, by factor.
        whole: How many were read right in every factor.
    """

    frames: int = 0
    right: Mapping[str, int] = field(default_factory=dict)
    whole: int = 0

    def __add__(self, other: "ReaderCounts") -> "ReaderCounts":
        """Adds count by count."""
        right = Counter(self.right)
        right.update(other.right)
        return ReaderCounts(frames=self.frames + other.frames, right=dict(right), whole=self.whole + other.whole)


def check_reader(reader: StateReader, rollout: RealRollout) -> ReaderCounts:
    """Reads every real frame of a rollout and compares with the simulator's state.

    Args:
        reader: The reader.
        rollout: A real rollout.

    Returns:
        How many frames were read right.

    Raises:
        ReaderError: The reader is exact, but read a frame wrong.
    """
    states = reader.read(rollout.observations)
    matches = reader.match(states, rollout.states)
    whole = whole_state(matches)
    if reader.is_exact and not whole.all():
        step = int(np.argmin(whole))
        state, true = states[step], rollout.states[step]
        wrong = {key: (state.get(key), true[key]) for key in true if not matches[key][step]}
        raise ReaderError(
            f"read_state must equal state() on every real frame, got (read, true) {wrong} at step {step} of seed "
            f"{rollout.seed}; mend the twin's reader before measuring a world with it"
        )
    right = {name: int(flags.sum()) for name, flags in matches.items()}
    return ReaderCounts(frames=len(states), right=right, whole=int(whole.sum()))


def _is_near(value: Any, true: Any, tolerance: float) -> bool:
    """Whether two numbers, or two points, are at most `tolerance` apart; other values must be equal."""
    if not tolerance or value is None or true is None:
        return bool(value == true)
    return math.dist(np.atleast_1d(value), np.atleast_1d(true)) <= tolerance
