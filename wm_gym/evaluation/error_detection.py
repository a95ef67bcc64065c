"""Whether the model's uncertainty tells that a dream has gone wrong (area under the ROC curve)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32

from wm_gym.evaluation.scoring import RolloutScore

_FALSE_ALARMS = 0.01


@dataclass(frozen=True, kw_only=True)
class ErrorDetection:
    """How well uncertainty separates right steps from wrong ones.

    Attributes:
        first_error_auroc: Of a step's uncertainty, for "this step is the first whose state is wrong", among the steps
            up to there. A dream that went wrong stays wrong, however surely it goes on.
        error_auroc: Of the highest uncertainty so far, for "the state is wrong at this step", among all steps.
        step_auroc: Of a step's own uncertainty, for the same: what `info` alone tells, without a memory of it.
        limit: The uncertainty that one in a hundred right steps exceeds.
        recall: Share of the first errors that exceed it.
        first_errors: Their number.
        steps: Steps up to the first errors, them included.
    """

    first_error_auroc: float | None
    error_auroc: float | None
    step_auroc: float | None
    limit: float | None
    recall: float | None
    first_errors: int
    steps: int

    def to_json(self) -> dict[str, Any]:
        """Returns the numbers."""
        return dict(vars(self))


def detect_errors(scores: Sequence[RolloutScore]) -> ErrorDetection | None:
    """Measures how well uncertainty tells errors; None where states cannot be read.

    Args:
        scores: Of rollouts whose dreams were compared with true states.
    """
    if not scores or not any(score.exact.size for score in scores):
        return None
    fresh = [_until_first_error(score.exact) for score in scores]
    before = np.concatenate([score.uncertainty[:count] for score, count in zip(scores, fresh, strict=True)])
    first = ~np.concatenate([score.exact[:count] for score, count in zip(scores, fresh, strict=True)])
    highest = np.concatenate([np.maximum.accumulate(score.uncertainty) for score in scores])
    present = np.concatenate([score.uncertainty for score in scores])
    wrong = ~np.concatenate([score.exact for score in scores])
    limit = float(np.quantile(before[~first], 1 - _FALSE_ALARMS)) if (~first).any() else None
    found = first.any() and limit is not None
    return ErrorDetection(
        first_error_auroc=auroc(before, first),
        error_auroc=auroc(highest, wrong),
        step_auroc=auroc(present, wrong),
        limit=limit,
        recall=float(np.mean(before[first] > limit)) if found else None,
        first_errors=int(first.sum()),
        steps=len(first),
    )


def auroc(values: Float32[np.ndarray, " n"], labels: Bool[np.ndarray, " n"]) -> float | None:
    """The chance that a labelled value is above one that is not, ties counting half; None without one of each kind.

    It is the area under the ROC curve (Hanley and McNeil, Radiology 143, 1982).
    """
    ordered = np.sort(values[~labels])
    chosen = values[labels]
    if not len(ordered) or not len(chosen):
        return None
    below = np.searchsorted(ordered, chosen, side="left") + np.searchsorted(ordered, chosen, side="right")
    return float(below.mean() / (2 * len(ordered)))


def _until_first_error(exact: Bool[np.ndarray, " time"]) -> int:
    """Steps up to the first wrong one, it included."""
    return len(exact) if exact.all() else int(np.argmin(exact)) + 1
