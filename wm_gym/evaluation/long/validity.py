"""Validity: which frames show states that a world could be in at all, by the real twin's word."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.states import StateReader, reader_of
from wm_gym.evaluation.twin import Env, JudgingTwin, State


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Says which frames show possible states.

    Attributes:
        twin: The twin, which says what is possible.
        reader: Reads its states.
    """

    twin: JudgingTwin
    reader: StateReader

    @classmethod
    def of(cls, env: Env, world: str) -> "Validity | None":
        """That of a twin; None where it cannot read states or tell sound ones from broken ones."""
        reader, twin = reader_of(env, world), env.unwrapped
        return cls(twin=twin, reader=reader) if reader is not None and isinstance(twin, JudgingTwin) else None

    def share(self, frames: UInt8[np.ndarray, "time height width 3"], start: State) -> float:
        """The share of the frames whose state `start` could have led to."""
        return float(np.mean([self.twin.is_valid(start, state) for state in self.reader.read(frames[:, None])]))

    def is_exact(self, frame: UInt8[np.ndarray, "height width 3"], true: State) -> bool:
        """Whether a frame shows the true state."""
        matches = self.reader.match([self.reader.twin.read_state(frame)], [true])
        return all(bool(flags[0]) for flags in matches.values())
