"""F1 scores of known confusions."""

import numpy as np
import pytest

from wm_gym.evaluation.confusion import Confusion

TRUE = np.array([0, 0, 0, 0, 1, 1])


def of(predicted: list[int]) -> Confusion:
    """Two classes, `TRUE` in truth."""
    return Confusion.of(np.array(predicted), TRUE, num_classes=2)


def test_rows_are_true_and_columns_predicted() -> None:
    assert of([0, 0, 0, 1, 1, 0]).counts.tolist() == [[3, 1], [1, 1]]


def test_right_everywhere_scores_one() -> None:
    assert of(TRUE.tolist()).macro_f1 == 1.0


def test_missing_a_rare_class_costs_half() -> None:
    assert of([0] * 6).macro_f1 == pytest.approx((2 * 4 / (4 + 6) + 0) / 2)


def test_class_that_never_occurs_does_not_count() -> None:
    assert Confusion.of(TRUE, TRUE, num_classes=3).macro_f1 == 1.0


def test_false_alarms_of_a_class_that_never_occurs_cost_half() -> None:
    none = np.zeros(4, dtype=int)
    assert Confusion.of(np.array([0, 0, 0, 1]), none, num_classes=2).macro_f1 == pytest.approx(
        (2 * 3 / (3 + 4) + 0) / 2
    )


def test_one_class_alone_scores_nothing() -> None:
    none = np.zeros(3, dtype=int)
    assert Confusion.of(none, none, num_classes=3).macro_f1 is None


def test_confusions_add_up() -> None:
    both = of([0, 0, 0, 1, 1, 0]) + of(TRUE.tolist())
    assert both.counts.tolist() == [[7, 1], [1, 3]]


def test_nothing_counted_scores_nothing() -> None:
    empty = np.zeros(0, dtype=int)
    assert Confusion.of(empty, empty, num_classes=2).macro_f1 is None
