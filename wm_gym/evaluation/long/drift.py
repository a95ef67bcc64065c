"""Drift: what is left of a world after 10, 100, 1,000, 10,000 steps, each number beside the real one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.long.consistency import Consistency, simulation_consistency
from wm_gym.evaluation.long.feature_distance import feature_distance
from wm_gym.evaluation.long.motion import motion
from wm_gym.evaluation.long.optical_flow import lucas_kanade
from wm_gym.evaluation.long.sharpness import sharpness
from wm_gym.evaluation.long.smoothness import MOVING, transition_smoothness
from wm_gym.evaluation.long.validity import Validity
from wm_gym.evaluation.long.walks import Beginning
from wm_gym.evaluation.twin import State

Window = UInt8[np.ndarray, "time height width 3"]

_LEAST_REAL = 1e-3  # a real value below this is none: nothing can be a share of it
_LEAST_SMOOTH = 0.1  # pixels a frame; where real things jump from cell to cell the flow finds less, at random


@dataclass(frozen=True, kw_only=True)
class DriftReading:
    """What the worlds look like up to one step, in the dream and in reality.

    Attributes:
        step: Counted from 1.
        n: Worlds.
        valid: Share of the dream's states that its start could have led to; None where nobody can say.
        real_valid: The same of real frames: the reader's ceiling.
        exact: Share of the dream's states that are right in every factor, of worlds whose real episode goes on.
        feature_distance: Between dreamed and real frames under the same actions, 0 to 1.
        real_feature_distance: Between these real frames and those of other walks in the same layouts.
        sharpness: Of the dream, as a ratio to real.
        motion: Of the dream, as a ratio to real; None where nothing moves in reality.
        smoothness: WR-Arena's score as a ratio to real; None where most pixels stand still in reality: it is 0 there.
        moving_smoothness: The score over what moves, weighed by what the flow explains, as a ratio to real; None where
            real things jump, and flow finds no motion.
        consistency: Of the dream, in [0, 1].
        real_consistency: Of the real frames.
    """

    step: int
    n: int
    valid: float | None
    real_valid: float | None
    exact: float | None
    feature_distance: float
    real_feature_distance: float
    sharpness: float | None
    motion: float | None
    smoothness: float | None
    moving_smoothness: float | None
    consistency: float
    real_consistency: float

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class WorldWindows:
    """The windows of one world at one step.

    Attributes:
        dream: What the dream showed.
        real: What the twin showed under the same actions.
        other: What the twin showed on another walk in the same layout.
        start: Where the dream began.
        real_start: Where the real episode of `real` began: where the dream did, until that episode is over.
        state: The true state at the step; None where the twin cannot tell, or its first episode is over.
    """

    dream: Window
    real: Window
    other: Window
    start: Beginning
    real_start: Beginning
    state: State | None


def read_drift(step: int, worlds: Sequence[WorldWindows], validity: Validity | None) -> DriftReading:
    """Measures windows.

    Args:
        step: Where they end.
        worlds: One each.
        validity: Says which states are possible; None where nobody can.
    """
    dream, real = [each.dream for each in worlds], [each.real for each in worlds]
    liveliness = ratio(mean([motion(each) for each in dream]), mean([motion(each) for each in real]))
    lively = 1.0 if liveliness is None else liveliness
    own = [_View.of(each.dream, each.start, lively, validity) for each in worlds if len(each.dream) > 1]
    true = [_View.of(each.real, each.real_start, 1.0, validity) for each in worlds if len(each.real) > 1]
    reality = np.concatenate(real)
    return DriftReading(
        step=step,
        n=len(worlds),
        valid=_validity(own),
        real_valid=_validity(true),
        exact=_exact(worlds, validity),
        feature_distance=feature_distance(np.concatenate(dream), reality),
        real_feature_distance=feature_distance(np.concatenate([each.other for each in worlds]), reality),
        sharpness=ratio(mean([sharpness(each) for each in dream]), mean([sharpness(each) for each in real])),
        motion=liveliness,
        smoothness=_smoothness([each.smoothness for each in own], [each.smoothness for each in true]),
        moving_smoothness=_smoothness(
            [each.moving_smoothness for each in own], [each.moving_smoothness for each in true]
        ),
        consistency=mean([each.consistency.score for each in own]),
        real_consistency=mean([each.consistency.score for each in true]),
    )


def ratio(value: float, real: float, *, least: float = _LEAST_REAL) -> float | None:
    """`value` over `real`; None where the real one is at most `least`."""
    return value / real if real > least else None


def mean(values: Sequence[float]) -> float:
    """The mean without NaN; 0 of nothing."""
    known = [value for value in values if value == value]
    return float(np.mean(known)) if known else 0.0


@dataclass(frozen=True, kw_only=True)
class _View:
    """One window, its flow computed once."""

    consistency: Consistency
    smoothness: float
    moving_smoothness: float

    @classmethod
    def of(cls, frames: Window, start: Beginning, liveliness: float, validity: Validity | None) -> "_View":
        flows = lucas_kanade(frames)
        share = None if validity is None or start.state is None else validity.share(frames, start.state)
        consistency = simulation_consistency(frames, flows, start.frame, liveliness=liveliness, validity=share)
        moving = transition_smoothness(flows, least_speed=MOVING).score
        return cls(
            consistency=consistency,
            smoothness=transition_smoothness(flows).score,
            moving_smoothness=moving * consistency.photometric,
        )


def _smoothness(own: Sequence[float], true: Sequence[float]) -> float | None:
    return ratio(mean(own), mean(true), least=_LEAST_SMOOTH)


def _validity(views: Sequence[_View]) -> float | None:
    known = [each.consistency.validity for each in views if each.consistency.validity is not None]
    return mean(known) if known else None


def _exact(worlds: Sequence[WorldWindows], validity: Validity | None) -> float | None:
    known = [(each.dream[-1], each.state) for each in worlds if each.state is not None]
    if validity is None or not known:
        return None
    return mean([float(validity.is_exact(frame, state)) for frame, state in known])
