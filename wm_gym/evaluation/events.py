"""Precision and recall of rare events, a reward or an end, each at its exact step."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int


@dataclass(frozen=True, kw_only=True)
class EventCounts:
    """Events counted step by step. An event predicted one step early is a false alarm and a miss.

    Attributes:
        hits: Predicted and true at the same step.
        predicted: Predicted in all.
        true: True in all.
        steps: Steps looked at.
    """

    hits: int = 0
    predicted: int = 0
    true: int = 0
    steps: int = 0

    def __add__(self, other: "EventCounts") -> "EventCounts":
        """Adds count by count."""
        return EventCounts(
            hits=self.hits + other.hits,
            predicted=self.predicted + other.predicted,
            true=self.true + other.true,
            steps=self.steps + other.steps,
        )

    @property
    def precision(self) -> float | None:
        """Share of the predicted events that are true; None without any."""
        return self.hits / self.predicted if self.predicted else None

    @property
    def recall(self) -> float | None:
        """Share of the true events that are predicted; None without any."""
        return self.hits / self.true if self.true else None

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; None where there is nothing to find and nothing was."""
        return 2 * self.hits / (self.predicted + self.true) if self.predicted + self.true else None

    def to_json(self) -> dict[str, float | int | None]:
        """Returns the counts and the three scores."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "hits": self.hits,
            "predicted": self.predicted,
            "true": self.true,
            "steps": self.steps,
        }


def count_terminations(predicted: Bool[np.ndarray, " time"], true: Bool[np.ndarray, " time"]) -> EventCounts:
    """Counts the ends of a rollout, its ending step included."""
    return _count(predicted.astype(np.int64), true.astype(np.int64))


def count_rewards(
    predicted: Float32[np.ndarray, " time"], true: Float32[np.ndarray, " time"], *, threshold: float
) -> EventCounts:
    """Counts the rewards of at least `threshold` in size. One of the wrong sign is a false alarm and a miss."""
    return _count(reward_signs(predicted, threshold), reward_signs(true, threshold))


def reward_signs(rewards: Float32[np.ndarray, " time"], threshold: float) -> Int[np.ndarray, " time"]:
    """Returns -1, 0 or 1 a step: a reward smaller than `threshold` counts as none."""
    return np.asarray(np.sign(rewards) * (np.abs(rewards) >= threshold), dtype=np.int64)


def _count(predicted: Int[np.ndarray, " time"], true: Int[np.ndarray, " time"]) -> EventCounts:
    return EventCounts(
        hits=int(np.sum((predicted == true) & (true != 0))),
        predicted=int(np.count_nonzero(predicted)),
        true=int(np.count_nonzero(true)),
        steps=len(true),
    )
