"""Ranking policies by dreamed scores: values worked out by hand, or by scipy."""

import math

import numpy as np
import pytest

from tests.production import unchecked
from wm_gym.evaluation.ranking import mean_maximum_rank_violation, pearson, spearman

REAL = [0.0, 0.2, 0.4, 1.0]


def test_equal_scores_rank_perfectly() -> None:
    assert pearson(REAL, REAL) == pytest.approx(1)
    assert spearman(REAL, REAL) == pytest.approx(1)
    assert mean_maximum_rank_violation(REAL, REAL) == 0


def test_reversed_scores_rank_worst() -> None:
    reversed_scores = [1 - score for score in REAL]
    assert pearson(REAL, reversed_scores) == pytest.approx(-1)
    assert spearman(REAL, reversed_scores) == pytest.approx(-1)
    assert mean_maximum_rank_violation(REAL, reversed_scores) == pytest.approx((1 + 0.8 + 0.6 + 1) / 4)


def test_one_swap_costs_the_real_difference_of_the_two() -> None:
    dream = [0.0, 0.5, 0.3, 1.0]  # policies 1 and 2 change places; they differ by 0.2 in reality
    assert mean_maximum_rank_violation(REAL, dream) == pytest.approx((0 + 0.2 + 0.2 + 0) / 4)


def test_a_tie_in_the_dream_alone_costs_the_weaker_policy_and_one_in_reality_is_free() -> None:
    assert mean_maximum_rank_violation([0.1, 0.5], [0.3, 0.3]) == pytest.approx((0.4 + 0) / 2)
    assert mean_maximum_rank_violation([0.5, 0.5], [0.1, 0.9]) == 0


def test_correlations_are_those_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    real = rng.random(12).round(1)  # rounded: with ties
    dream = (real + 0.3 * rng.random(12)).round(1)
    assert pearson(real, dream) == pytest.approx(stats.pearsonr(real, dream).statistic)
    assert spearman(real, dream) == pytest.approx(stats.spearmanr(real, dream).statistic)


def test_constant_scores_have_no_correlation() -> None:
    assert math.isnan(pearson(REAL, [0.5] * 4))
    assert math.isnan(spearman([0.5] * 4, REAL))


@pytest.mark.parametrize(("real", "dream"), [([0.1], [0.2]), (REAL, REAL[:3]), (REAL, [0.1, 0.2, math.nan, 0.3])])
def test_scores_that_do_not_pair_up_are_refused(real: list[float], dream: list[float]) -> None:
    for measure in (pearson, spearman, mean_maximum_rank_violation):
        with unchecked(), pytest.raises(ValueError, match="scores must be two or more finite numbers"):
            measure(real, dream)
