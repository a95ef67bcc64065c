"""Sums rollouts' scores up by step: shares, intervals, errors, over the rollouts whose real episode still runs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
from jaxtyping import Bool, Float, Int

from wm_gym.evaluation.events import EventCounts
from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.pixels import psnr
from wm_gym.evaluation.scoring import RolloutScore


@dataclass(frozen=True, kw_only=True, eq=False)
class ShareCurve:
    """The share of rollouts that are right at each step 1..H, among those that reach it. NaN where none does.

    Attributes:
        share: In [0, 1].
        lower: Wilson's 95 % bound.
        upper: Wilson's 95 % bound.
        n: How many rollouts reach the step.
    """

    share: Float[np.ndarray, " horizon"]
    lower: Float[np.ndarray, " horizon"]
    upper: Float[np.ndarray, " horizon"]
    n: Int[np.ndarray, " horizon"]


def share_curve(flags: Sequence[Bool[np.ndarray, " _"]], horizon: int) -> ShareCurve:
    """Sums flags up by step.

    Args:
        flags: One array a rollout, as long as the rollout: a rollout that ended before step h does not count at h.
        horizon: H, at least the longest rollout.

    Returns:
        The curve.
    """
    right, n = np.zeros(horizon, dtype=np.int64), np.zeros(horizon, dtype=np.int64)
    for row in flags:
        right[: len(row)] += row
        n[: len(row)] += 1
    bounds = np.asarray([wilson_interval(int(k), int(count)) for k, count in zip(right, n, strict=True)])
    share = np.divide(right, n, out=np.full(horizon, np.nan), where=n > 0)
    return ShareCurve(share=share, lower=bounds[:, 0], upper=bounds[:, 1], n=n)


def psnr_curve(squared_errors: Sequence[Float[np.ndarray, " _"]], horizon: int) -> Float[np.ndarray, " horizon"]:
    """Returns the PSNR in dB of the squared error averaged over the rollouts that reach each step; NaN where none does.

    The average is taken before the logarithm: an average of PSNRs would depend on the cap that stands for equal frames.
    """
    total, n = np.zeros(horizon), np.zeros(horizon, dtype=np.int64)
    for row in squared_errors:
        total[: len(row)] += row
        n[: len(row)] += 1
    mean = np.divide(total, n, out=np.full(horizon, np.nan), where=n > 0)
    return psnr(mean)


def mean_at(values: Sequence[dict[int, float]], step: int) -> float | None:
    """Returns the mean of `step`'s values over the rollouts that reach it; None where none does."""
    reached = [value[step] for value in values if step in value]
    return float(np.mean(reached)) if reached else None


def share_by_policy(scores: Sequence[RolloutScore], horizon: int) -> dict[str, ShareCurve]:
    """Returns the curve of the whole state for each policy on its own."""
    policies = sorted({score.policy for score in scores})
    return {
        policy: share_curve([score.exact for score in scores if score.policy == policy], horizon) for policy in policies
    }


def sum_events(counts: Sequence[EventCounts]) -> EventCounts:
    """Adds the counts of all rollouts."""
    return reduce(add, counts, EventCounts())


def first_error_rates(scores: Sequence[RolloutScore]) -> dict[str, dict[str, int]]:
    """Counts by text how often it was the first to go wrong, and how often it was said up to there.

    Returns:
        "errors" and "uses" of each text that was the first to go wrong at least once, most errors first.
    """
    errors: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    for score in scores:
        right = score.num_steps if score.exact.all() else int(np.argmin(score.exact))
        errors.update(score.actions[right : right + 1])
        uses.update(score.actions[: right + 1])
    return {text: {"errors": count, "uses": uses[text]} for text, count in errors.most_common()}


def correlation(values: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float | None:
    """Returns Pearson's correlation over all steps of all rollouts; None where one of the two never changes."""
    first, second = (np.concatenate(list(rows)).astype(np.float64) for rows in (values, others))
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def count_labels(labels: Sequence[str]) -> dict[str, int]:
    """Counts labels, the commonest first."""
    return dict(Counter(labels).most_common())
