"""Scores of dreams whose worth is known: the truth, a frozen frame, shuffled frames, noise."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluation.dreamt import dreamt
from wm_gym.evaluation.rollouts import RealRollout
from wm_gym.evaluation.scoring import RolloutScore, cut_example, cut_strip, first_failure, score_rollout
from wm_gym.evaluation.states import StateReader


def score(reader: StateReader | None, real: RealRollout, observations: np.ndarray) -> RolloutScore:
    """Scores a dream with the true rewards and ends."""
    return score_rollout(real, dreamt(real, observations), reader=reader, horizons=(1, 4, 16, 64), reward_threshold=0.5)


def test_perfect_dream_is_right_everywhere(reader: StateReader, explored: list[RealRollout]) -> None:
    scores = [score(reader, real, real.observations[1:]) for real in explored]
    assert all(each.exact.all() for each in scores)
    assert all(flags.all() for each in scores for flags in each.factors.values())


def test_perfect_dream_has_no_pixel_error(reader: StateReader, explored: list[RealRollout]) -> None:
    perfect = score(reader, explored[0], explored[0].observations[1:])
    assert not perfect.squared_error.any()
    assert perfect.ssim == pytest.approx({1: 1.0, 4: 1.0, 16: 1.0})


def test_frozen_dream_scores_the_baseline(reader: StateReader, explored: list[RealRollout]) -> None:
    real = explored[0]
    frozen = score(reader, real, np.repeat(real.observations[:1], real.num_steps, axis=0))
    np.testing.assert_array_equal(frozen.exact, frozen.baseline_exact)
    np.testing.assert_array_equal(frozen.squared_error, frozen.baseline_squared_error)
    assert frozen.ssim == frozen.baseline_ssim


def test_frozen_dreams_are_mostly_wrong(reader: StateReader, explored: list[RealRollout]) -> None:
    frozen = [np.repeat(real.observations[:1], real.num_steps, axis=0) for real in explored]
    late = [score(reader, real, frames).exact[4:].mean() for real, frames in zip(explored, frozen, strict=True)]
    assert np.mean(late) < 0.3


def test_frames_of_another_rollout_are_wrong(reader: StateReader, explored: list[RealRollout]) -> None:
    swapped = [score(reader, real, explored[i - 1].observations[1:]) for i, real in enumerate(explored)]
    assert np.mean([each.exact.mean() for each in swapped]) < 0.05


def test_reversed_frames_are_mostly_wrong(reader: StateReader, explored: list[RealRollout]) -> None:
    turned = [score(reader, real, real.observations[:0:-1]).exact.mean() for real in explored]
    assert np.mean(turned) < 0.3


def test_noise_is_wrong(reader: StateReader, explored: list[RealRollout]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, explored[0].observations[1:].shape, dtype=np.uint8)
    assert not score(reader, explored[0], noise).exact.any()


def test_unread_world_has_pixels_and_no_states(explored: list[RealRollout]) -> None:
    unread = score(None, explored[0], np.zeros_like(explored[0].observations[1:]))
    assert (unread.exact.size, unread.factors, unread.baseline_exact.size) == (0, {}, 0)
    assert unread.num_steps == len(unread.squared_error) == explored[0].num_steps
    assert first_failure(0, explored[0], unread) is None


def test_unreached_horizons_have_no_ssim(reader: StateReader, solved: RealRollout) -> None:
    assert max(score(reader, solved, solved.observations[1:]).ssim) <= solved.num_steps


def test_ending_step_counts(reader: StateReader, solved: RealRollout) -> None:
    counts = score(reader, solved, solved.observations[1:]).terminations
    assert (counts.hits, counts.predicted, counts.true, counts.steps) == (1, 1, 1, solved.num_steps)


def test_perfect_dream_has_no_failure(reader: StateReader, solved: RealRollout) -> None:
    assert first_failure(0, solved, score(reader, solved, solved.observations[1:])) is None


def test_failure_names_step_action_and_factors(reader: StateReader, explored: list[RealRollout]) -> None:
    dreamed = explored[0].observations[1:].copy()
    dreamed[5:] = explored[1].observations[6:]  # from step 6 on another world
    failure = first_failure(0, explored[0], score(reader, explored[0], dreamed))
    assert failure is not None
    assert (failure.step, failure.action) == (6, explored[0].actions[5])
    assert set(failure.factors) == {
        name for name, value in explored[0].states[6].items() if explored[1].states[6][name] != value
    }


def test_strip_shows_frames_around_failure(reader: StateReader, explored: list[RealRollout]) -> None:
    real = explored[0]
    dreamed = real.observations[1:].copy()
    dreamed[5:] = 0
    failure = first_failure(0, real, score(reader, real, dreamed))
    assert failure is not None
    strip = cut_strip(failure, real, dreamed)
    assert (strip.first_step, strip.actions) == (3, real.actions[2:10])
    np.testing.assert_array_equal(strip.real, real.observations[3:11, -1])
    np.testing.assert_array_equal(strip.dream, dreamed[2:10, -1])


def test_strip_of_an_early_failure_begins_at_the_start(reader: StateReader, explored: list[RealRollout]) -> None:
    real = explored[0]
    failure = first_failure(0, real, score(reader, real, np.zeros_like(real.observations[1:])))
    assert failure is not None
    strip = cut_strip(replace(failure, step=1), real, np.zeros_like(real.observations[1:]))
    assert strip.actions[0] == "start"
    np.testing.assert_array_equal(strip.dream[0], real.observations[0, -1])


def test_example_shows_the_start_and_the_reached_horizons(solved: RealRollout) -> None:
    dreamed = np.zeros_like(solved.observations[1:])
    example = cut_example(solved, dreamed, (1, 4, 64))
    assert example.steps == tuple(step for step in (0, 1, 4, 64) if step <= solved.num_steps)
    np.testing.assert_array_equal(example.real[1], solved.observations[1, -1])
    np.testing.assert_array_equal(example.dream[0], solved.observations[0, -1])
    assert not example.dream[1:].any()


def test_perfect_dream_has_perfect_classes(reader: StateReader, solved: RealRollout) -> None:
    perfect = score(reader, solved, solved.observations[1:])
    assert perfect.reward_classes.macro_f1 == perfect.termination_classes.macro_f1 == 1.0
    assert not perfect.termination_error.any()


def test_unsure_end_costs_its_squared_doubt(reader: StateReader, solved: RealRollout) -> None:
    unsure = replace(
        dreamt(solved, solved.observations[1:]),
        termination_probabilities=np.full(solved.num_steps, 0.25, np.float32),
    )
    doubted = score_rollout(solved, unsure, reader=reader, horizons=(1,), reward_threshold=0.5)
    assert doubted.termination_error[-1] == pytest.approx(0.75**2)
    assert doubted.termination_error[:-1] == pytest.approx(0.25**2)
