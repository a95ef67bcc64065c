"""Judges of action fidelity: WR-Arena's scale from 0 to 3, given by the real twin in place of a closed model.

A judge is any callable from a `JudgedRound` to a number from 0 (nothing of the action) to 3 (all of it). Write your
own, a vision-language model say, and name it "module:function".
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.inverse_dynamics import InverseDynamics
from wm_gym.evaluation.long.choice import nearest_future
from wm_gym.evaluation.long.sequences import Round
from wm_gym.evaluation.probes import Vocabulary
from wm_gym.evaluation.states import StateReader
from wm_gym.evaluation.twin import State

MOST = 3.0
"""The best score of a round."""

BUILT_IN = ("state", "inverse-dynamics", "nearest")


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedRound:
    """What a judge is shown.

    Attributes:
        text: What the dream was told.
        number: Which round of the sequence, from 1.
        before: The frames that the dream showed before, the last one last; in round 1 the real ones.
        frames: The frames that the dream showed while told `text`, one a step.
        played: What really happened, and what every other action would have led to.
        vocabulary: Names of the actions by label.
    """

    text: str
    number: int
    before: UInt8[np.ndarray, "time height width 3"]
    frames: UInt8[np.ndarray, "steps height width 3"]
    played: Round
    vocabulary: Vocabulary

    @property
    def action(self) -> str:
        """The name of the action."""
        return self.vocabulary.names[self.played.label]


RoundJudge: TypeAlias = Callable[[JudgedRound], float]


@dataclass(frozen=True)
class StateRoundJudge:
    """Compares the state at the end of a round with the real one, where states can be read.

    3 where all is right; 2 where all that the action changes is right but something else is not; 1 where part of what
    it changes is right; 0 otherwise.
    """

    reader: StateReader

    def __call__(self, judged: JudgedRound) -> float:
        """Scores a round."""
        read = self.reader.twin.read_state
        true = read(judged.played.true[-1])
        now = self._right(judged.frames[-1], true)
        was = self._right(judged.played.before[-1], true)
        changed = [now[name] for name in now if not was[name]]
        if all(now.values()):
            return 3.0
        if changed and all(changed):
            return 2.0
        return 1.0 if any(changed) else 0.0

    def _right(self, frame: UInt8[np.ndarray, "height width 3"], true: State) -> dict[str, bool]:
        matches = self.reader.match([self.reader.twin.read_state(frame)], [true])
        return {name: bool(flags[0]) for name, flags in matches.items()}


@dataclass(frozen=True)
class ClassifierRoundJudge:
    """3 where an inverse-dynamics classifier takes the dream's own frames for those of the action, else 0."""

    classifier: InverseDynamics

    def __call__(self, judged: JudgedRound) -> float:
        """Scores a round."""
        label = self.classifier.predict(judged.before[None], judged.frames[None])[0]
        return MOST if label == judged.played.label else 0.0


def nearest_judge(judged: JudgedRound) -> float:
    """3 where no other action's real future is nearer than the action's own, else 0: needs no reader, no training."""
    played = judged.played
    labels = [played.label, *(each for each in np.flatnonzero(played.valid).tolist() if each != played.label)]
    return MOST if nearest_future(judged.frames, played.outcomes[labels]) == 0 else 0.0


def load_judge(name: str) -> RoundJudge:
    """Imports a judge by its "module:function" name.

    Raises:
        ValueError: The name has another form, or there is no such module or function.
    """
    module, _, function = name.partition(":")
    try:
        if not module or not function:
            raise ValueError("no colon between a module and a function")
        judge = getattr(importlib.import_module(module), function)
    except (ValueError, ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f'judge must be one of {", ".join(BUILT_IN)}, or "module:function" that can be imported, got {name!r} '
            f"({error}); run from the folder that holds the module"
        ) from error
    return cast(RoundJudge, judge)
