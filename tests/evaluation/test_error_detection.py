"""Uncertainties that tell errors, that tell nothing, and that tell the opposite."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.dreamt import dreamt
from wm_gym.evaluation.error_detection import ErrorDetection, auroc, detect_errors
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.scoring import RolloutScore, score_rollout
from wm_gym.evaluation.states import StateReader

WRONG_FROM = 5


@pytest.fixture(scope="module")
def scored(reader: StateReader, explored: list[RealRollout]) -> RolloutScore:
    """A dream that is right for five steps and black from then on."""
    frames = explored[0].observations[1:].copy()
    frames[WRONG_FROM:] = 0
    dream = dreamt(explored[0], frames)
    return score_rollout(explored[0], dream, reader=reader, horizons=(1,), reward_threshold=0.5)


def detection(scored: RolloutScore, uncertainty: np.ndarray) -> ErrorDetection:
    """What these uncertainties of each step are worth."""
    found = detect_errors([replace(scored, uncertainty=uncertainty.astype(np.float32))])
    assert found is not None
    return found


def test_alarm_at_the_first_error_finds_it(scored: RolloutScore) -> None:
    found = detection(scored, np.arange(scored.num_steps) == WRONG_FROM)
    assert (found.first_error_auroc, found.recall, found.first_errors) == (1.0, 1.0, 1)
    assert found.steps == WRONG_FROM + 1


def test_alarm_is_remembered_while_the_state_stays_wrong(scored: RolloutScore) -> None:
    assert detection(scored, np.arange(scored.num_steps) == WRONG_FROM).error_auroc == 1.0


def test_a_step_by_itself_has_no_memory_of_the_alarm(scored: RolloutScore) -> None:
    wrong = scored.num_steps - WRONG_FROM
    alone = detection(scored, np.arange(scored.num_steps) == WRONG_FROM).step_auroc
    assert alone == pytest.approx((1 + (wrong - 1) / 2) / wrong)
    assert detection(scored, np.arange(scored.num_steps) >= WRONG_FROM).step_auroc == 1.0


def test_alarm_after_the_first_error_comes_too_late(scored: RolloutScore) -> None:
    assert detection(scored, np.arange(scored.num_steps) == WRONG_FROM + 1).first_error_auroc == 0.5


def test_constant_uncertainty_tells_nothing(scored: RolloutScore) -> None:
    found = detection(scored, np.ones(scored.num_steps))
    assert (found.first_error_auroc, found.error_auroc, found.recall) == (0.5, 0.5, 0.0)


def test_sureness_of_errors_scores_zero(scored: RolloutScore) -> None:
    assert detection(scored, -np.arange(scored.num_steps)).first_error_auroc == 0.0


def test_world_without_states_has_no_errors_to_find(explored: list[RealRollout]) -> None:
    dream = dreamt(explored[0], explored[0].observations[1:])
    assert detect_errors([score_rollout(explored[0], dream, reader=None, horizons=(1,), reward_threshold=0.5)]) is None
    assert detect_errors([]) is None


def test_dreams_without_errors_have_no_auroc(reader: StateReader, explored: list[RealRollout]) -> None:
    dream = dreamt(explored[0], explored[0].observations[1:])
    found = detect_errors([score_rollout(explored[0], dream, reader=reader, horizons=(1,), reward_threshold=0.5)])
    assert found is not None and found.first_errors == 0
    assert (found.first_error_auroc, found.error_auroc, found.recall) == (None, None, None)


def test_ties_count_half() -> None:
    values = np.array([1, 1, 2, 0], np.float32)
    assert auroc(values, np.array([True, False, True, False])) == pytest.approx((1.5 + 2) / 4)
