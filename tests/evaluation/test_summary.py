"""Sums over rollouts of different lengths."""

import numpy as np
import pytest

from wm_gym.evaluation.events import EventCounts
from wm_gym.evaluation.summary import correlation, count_labels, mean_at, psnr_curve, share_curve, sum_events

LONG, SHORT = np.array([True, True, False]), np.array([False])


def test_ended_rollout_does_not_count() -> None:
    curve = share_curve([LONG, SHORT], horizon=3)
    assert curve.n.tolist() == [2, 1, 1]
    assert curve.share.tolist() == [0.5, 1.0, 0.0]


def test_step_that_nobody_reaches_has_no_share() -> None:
    curve = share_curve([SHORT], horizon=2)
    assert np.isnan(curve.share[1]) and curve.n[1] == 0


def test_interval_holds_the_share() -> None:
    curve = share_curve([LONG, SHORT], horizon=3)
    assert (curve.lower <= curve.share).all() and (curve.share <= curve.upper).all()


def test_psnr_averages_before_the_logarithm() -> None:
    curve = psnr_curve([np.array([0.0, 1.0]), np.array([2.0])], horizon=2)
    assert curve.tolist() == pytest.approx([10 * np.log10(255**2)] * 2)


def test_mean_takes_rollouts_that_reach_the_step() -> None:
    assert mean_at([{1: 0.5, 4: 1.0}, {1: 1.0}], 1) == 0.75
    assert mean_at([{1: 0.5}], 4) is None


def test_no_events_sum_to_nothing() -> None:
    assert sum_events([]) == EventCounts()


def test_labels_come_commonest_first() -> None:
    assert list(count_labels(["drop", "toggle", "toggle"]).items()) == [("toggle", 2), ("drop", 1)]


def test_correlation_spans_all_rollouts() -> None:
    values = [np.array([0.0, 1.0]), np.array([2.0])]
    assert correlation(values, [2 * each + 1 for each in values]) == pytest.approx(1.0)


def test_constant_has_no_correlation() -> None:
    assert correlation([np.array([0.0, 1.0])], [np.array([4.0, 4.0])]) is None
