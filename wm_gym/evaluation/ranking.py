"""How well dreamed scores of policies order their real ones: correlations, and the cost of wrong orders."""

import math

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

Scores = Float[np.ndarray, " policies"]


def pearson(real: ArrayLike, dream: ArrayLike) -> float:
    """Pearson's correlation, in [-1, 1]; NaN where one side gives all policies one score.

    Raises:
        ValueError: the scores do not pair up.
    """
    real_scores, dream_scores = _pairs(real, dream)
    real_spread, dream_spread = real_scores - real_scores.mean(), dream_scores - dream_scores.mean()
    scale = math.sqrt(float((real_spread**2).sum() * (dream_spread**2).sum()))
    return float((real_spread * dream_spread).sum() / scale) if scale else math.nan


def spearman(real: ArrayLike, dream: ArrayLike) -> float:
    """Spearman's rank correlation, in [-1, 1]: Pearson's of the ranks, where equal scores share the mean rank.

    Raises:
        ValueError: the scores do not pair up.
    """
    real_scores, dream_scores = _pairs(real, dream)
    return pearson(_ranks(real_scores), _ranks(dream_scores))


def mean_maximum_rank_violation(real: ArrayLike, dream: ArrayLike) -> float:
    """MMRV of SIMPLER (arXiv 2405.05941, section III-C), in the unit of the scores, at least 0; 0 is a true order.

        violation(i, j) = |R_i - R_j| * [(S_i < S_j) != (R_i < R_j)]        R real, S simulated
        MMRV = mean over i of max over j of violation(i, j)

    A wrong order costs as much as the two policies really differ. Two policies that are equal in the dream alone cost
    the weaker one; those that are equal in the real world cost nothing.

    Raises:
        ValueError: the scores do not pair up.
    """
    real_scores, dream_scores = _pairs(real, dream)
    wrong = (dream_scores[:, None] < dream_scores) != (real_scores[:, None] < real_scores)
    violations = np.abs(real_scores[:, None] - real_scores) * wrong
    return float(violations.max(axis=1).mean())


def _ranks(scores: Scores) -> Scores:
    """Ranks from 0 up, equal scores sharing the mean of theirs."""
    _, groups, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks: Scores = (np.cumsum(counts) - (counts + 1) / 2)[groups]
    return ranks


def _pairs(real: ArrayLike, dream: ArrayLike) -> tuple[Scores, Scores]:
    """The scores as arrays.

    Raises:
        ValueError: they are not two or more finite numbers on both sides.
    """
    pair: list[NDArray[np.float64]] = [np.asarray(scores, np.float64) for scores in (real, dream)]
    fits = pair[0].shape == pair[1].shape and pair[0].ndim == 1 and len(pair[0]) >= 2
    if not fits or not all(np.isfinite(scores).all() for scores in pair):
        raise ValueError(
            f"scores must be two or more finite numbers, one a policy on both sides, got {real!r} and {dream!r}"
        )
    return pair[0], pair[1]
