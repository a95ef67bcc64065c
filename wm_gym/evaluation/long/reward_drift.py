"""Reward drift: whether a world goes on paying what the real one pays, decade by decade of steps."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32


@dataclass(frozen=True, kw_only=True)
class RewardSegment:
    """Rewards between two steps, over all worlds.

    Attributes:
        first: The first step, counted from 1.
        last: The last step.
        real: Mean reward of a step in the real world.
        dream: Mean reward of a step in the dream.
        drift: |dream - real| in units of the world's reward range: 0 is none, 1 as wrong as can be.
        real_ends: Episodes that ended in the real world, per 1,000 steps.
        dream_ends: Steps that the dream called an end, per 1,000 steps.
    """

    first: int
    last: int
    real: float
    dream: float
    drift: float
    real_ends: float
    dream_ends: float

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return asdict(self)


def reward_drift(
    dream: Float32[np.ndarray, "worlds steps"],
    real: Float32[np.ndarray, "worlds steps"],
    dream_ends: Bool[np.ndarray, "worlds steps"],
    real_ends: Bool[np.ndarray, "worlds steps"],
    *,
    read_at: Sequence[int],
    reward_range: tuple[float, float],
) -> list[RewardSegment]:
    """Compares the means of rewards, segment by segment.

    Args:
        dream: The dream's rewards under the real walks' actions. Steps are compared in the mean only: after the end of
            a real episode the dream goes on where it was.
        real: The real walks' rewards.
        dream_ends: Steps that the dream called an end.
        real_ends: Steps that ended a real episode.
        read_at: The last step of each segment, rising.
        reward_range: Smallest and largest reward of a step.
    """
    spread = max(reward_range[1] - reward_range[0], 1e-6)
    segments = []
    for first, last in zip((0, *read_at[:-1]), read_at, strict=True):
        part = np.s_[:, first:last]
        means = float(real[part].mean()), float(dream[part].mean())
        segments.append(
            RewardSegment(
                first=first + 1,
                last=last,
                real=means[0],
                dream=means[1],
                drift=abs(means[1] - means[0]) / spread,
                real_ends=1000 * float(real_ends[part].mean()),
                dream_ends=1000 * float(dream_ends[part].mean()),
            )
        )
    return segments
