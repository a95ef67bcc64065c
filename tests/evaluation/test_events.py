"""Events at their exact step."""

import numpy as np
import pytest

from wm_gym.evaluation.events import EventCounts, count_rewards, count_terminations


def test_event_at_its_step_is_a_hit() -> None:
    counts = count_terminations(np.array([False, False, True]), np.array([False, False, True]))
    assert counts == EventCounts(hits=1, predicted=1, true=1, steps=3)


def test_event_one_step_early_is_false_alarm_and_miss() -> None:
    counts = count_terminations(np.array([False, True, False]), np.array([False, False, True]))
    assert counts == EventCounts(hits=0, predicted=1, true=1, steps=3)


def test_small_reward_is_no_event() -> None:
    predicted, true = np.array([0.2, 0.7], dtype=np.float32), np.array([0.0, 1.0], dtype=np.float32)
    assert count_rewards(predicted, true, threshold=0.5) == EventCounts(hits=1, predicted=1, true=1, steps=2)


def test_reward_of_wrong_sign_is_false_alarm_and_miss() -> None:
    predicted, true = np.array([-1.0], dtype=np.float32), np.array([1.0], dtype=np.float32)
    assert count_rewards(predicted, true, threshold=0.5) == EventCounts(hits=0, predicted=1, true=1, steps=1)


def test_scores_of_sums() -> None:
    counts = EventCounts(hits=3, predicted=4, true=3, steps=10) + EventCounts(hits=0, predicted=0, true=2, steps=5)
    assert [counts.precision, counts.recall, counts.f1] == pytest.approx([0.75, 0.6, 2 / 3])


def test_nothing_to_find_has_no_score() -> None:
    assert EventCounts(steps=10).to_json()["f1"] is None
