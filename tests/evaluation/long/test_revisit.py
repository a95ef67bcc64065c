"""Revisit consistency, on trips that the real twin took."""

import numpy as np
import pytest

from tests.evaluation.long.broken import noise
from wm_gym.evaluation.long.revisit import Revisit, RevisitReading, patch_errors, revisit_consistency
from wm_gym.evaluation.long.trips import Trip, collect_trips
from wm_gym.evaluation.twin import Env


@pytest.fixture(scope="module")
def trips(twin_env: Env) -> list[Trip]:
    return collect_trips(
        twin_env, "policies.minigrid:explorer", "minigrid", num_trips=4, num_steps=24, seed=0, clip_frames=1
    )


def visit(trip: Trip, away: np.ndarray, back: np.ndarray) -> Revisit:
    return revisit_consistency(away, back, place=trip.clip[-1], away=trip.away, back=trip.back)


def test_real_trip_keeps_everything(trips: list[Trip]) -> None:
    assert len(trips) == 4
    assert [visit(trip, trip.away, trip.back).score for trip in trips] == [1.0] * 4


def test_dream_that_never_left_keeps_nothing(trips: list[Trip]) -> None:
    for trip in trips:
        found = visit(trip, trip.clip[-1], trip.back)
        assert (found.kept, found.left, found.score) == (1.0, False, 0.0)


def test_dream_that_never_came_back_keeps_nothing(trips: list[Trip]) -> None:
    assert [visit(trip, trip.away, trip.away).score for trip in trips] == [0.0] * 4


def test_other_place_and_noise_keep_nothing(trips: list[Trip]) -> None:
    for trip, other in zip(trips, trips[1:] + trips[:1], strict=True):
        assert visit(trip, trip.away, other.back).score <= 0.5
        assert visit(trip, *noise([trip.away, trip.back])).score == 0.0


def test_half_a_place_is_half_kept() -> None:
    rng = np.random.default_rng(0)
    place, away = (rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(2))
    back = place.copy()
    back[:, 32:] = away[:, 32:]
    assert revisit_consistency(away, back, place=place, away=away, back=place) == Revisit(kept=0.5, left=True)


def test_only_hidden_patches_count_where_they_are_known() -> None:
    rng = np.random.default_rng(1)
    place, away, elsewhere = (rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(3))
    back, hidden = place.copy(), np.zeros((8, 8), bool)
    back[:, 32:], hidden[:, 3:] = away[:, 32:], True

    def visit(dream_away: np.ndarray) -> Revisit:
        return revisit_consistency(dream_away, back, place=place, away=away, back=place, hidden=hidden)

    assert visit(elsewhere) == Revisit(kept=0.2, left=True)  # no dream knows a far end that it has never seen
    assert visit(place) == Revisit(kept=0.2, left=False)


def test_patches_are_eight_pixels_a_side() -> None:
    frame, other = np.zeros((20, 17, 3), np.uint8), np.zeros((20, 17, 3), np.uint8)
    other[8:16, 0:8] = 100
    assert patch_errors(frame, other).tolist() == [[0.0, 0.0], [100.0, 0.0]]


def test_reading_is_the_mean() -> None:
    found = RevisitReading.of(12, [Revisit(kept=1.0, left=True), Revisit(kept=0.5, left=False)])
    assert (found.score, found.kept, found.left, found.n) == (0.5, 0.75, 0.5, 2)
