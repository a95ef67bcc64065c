"""Compares states factor by factor, and checks the reader that takes them from pictures."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8

from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.twin import State

Reader = Callable[[np.ndarray], State]


class ReaderError(RuntimeError):
    """The reader misreads real frames: no score of generated frames would mean anything."""


def match_factors(states: Sequence[State], true_states: Sequence[State]) -> dict[str, Bool[np.ndarray, " time"]]:
    """Says for each factor of the true states at which steps it is equal.

    Args:
        states: One a step.
        true_states: As many, all with the same keys.

    Returns:
        For each key, a flag a step. A key that `states` lacks is a mismatch.
    """
    pairs = list(zip(states, true_states, strict=True))
    return {
        key: np.asarray([key in state and state[key] == true[key] for state, true in pairs], dtype=bool)
        for key in true_states[0]
    }


def match_states(states: Sequence[State], true_states: Sequence[State]) -> Bool[np.ndarray, " time"]:
    """Says at which steps the whole state is equal: every key, and no other."""
    return np.asarray([state == true for state, true in zip(states, true_states, strict=True)], dtype=bool)


def read_states(read: Reader, observations: UInt8[np.ndarray, "time frames height width channel"]) -> list[State]:
    """Reads the state after each step off the last frame of its chunk."""
    return [read(chunk[-1]) for chunk in observations]


def check_reader(read: Reader, rollout: RealRollout) -> int:
    """Reads every real frame of a rollout and compares with the simulator's state.

    Args:
        read: The reader, pixels to state.
        rollout: A real rollout.

    Returns:
        The number of frames read, all of them right.

    Raises:
        ReaderError: A frame is read wrong.
    """
    for step, state in enumerate(read_states(read, rollout.observations)):
        true = rollout.states[step]
        if state != true:
            wrong = {key: (state.get(key), true[key]) for key in true if state.get(key) != true[key]}
            raise ReaderError(
                f"read_state must equal state() on every real frame, got (read, true) {wrong} at step {step} of seed "
                f"{rollout.seed}; mend the twin's reader before measuring a world with it"
            )
    return len(rollout.states)
