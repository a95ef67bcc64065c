"""Drift readings of real windows taken for a dream, and of broken ones."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.evaluation.long.broken import blurred, frozen, noise, shuffled
from wm_gym.evaluation.long.drift import DriftReading, WorldWindows, mean, ratio, read_drift
from wm_gym.evaluation.long.validity import Validity
from wm_gym.evaluation.long.walks import Beginning, LongWalk
from wm_gym.evaluation.twin import Env

Break = Callable[[list[np.ndarray]], list[np.ndarray]]


@pytest.fixture(scope="module")
def read(twin_env: Env, walks: list[LongWalk], others: list[LongWalk]) -> Callable[[Break], DriftReading]:
    def reading(broken: Break) -> DriftReading:
        dreams = broken([walk.windows[8] for walk in walks])
        worlds = [
            WorldWindows(
                dream=dream,
                real=walk.windows[8],
                other=other.windows[8],
                start=walk.start,
                real_start=walk.beginnings[8],
                state=walk.states[8],
            )
            for dream, walk, other in zip(dreams, walks, others, strict=True)
        ]
        return read_drift(8, worlds, Validity.of(twin_env, "minigrid"))

    return reading


def test_real_frames_are_at_the_ceiling(read: Callable[[Break], DriftReading]) -> None:
    found = read(list)
    assert (found.valid, found.exact, found.sharpness, found.motion) == (1.0, 1.0, 1.0, 1.0)
    assert found.feature_distance == pytest.approx(0.0, abs=1e-6)
    assert found.consistency == found.real_consistency > 0.9
    assert found.moving_smoothness is None  # the agent jumps from cell to cell


def test_real_frames_of_a_later_episode_are_valid_in_their_own_layout(twin_env: Env, walks: list[LongWalk]) -> None:
    states = [walk.start.state for walk in walks]
    one, other = next(
        (walks[i], walks[j])
        for i, first in enumerate(states)
        for j, second in enumerate(states)
        if first and second and first["walls"] != second["walls"]
    )
    dream, real = one.windows[8], other.windows[8]
    world = WorldWindows(
        dream=dream, real=real, other=real, start=one.start, real_start=other.beginnings[8], state=None
    )
    found = read_drift(8, [world], Validity.of(twin_env, "minigrid"))
    assert (found.valid, found.real_valid) == (1.0, 1.0)


def test_frozen_frames_do_not_move(read: Callable[[Break], DriftReading]) -> None:
    found = read(frozen)
    assert (found.motion, found.consistency) == (0.0, 0.0)
    assert found.exact is not None and found.exact < 0.5


def test_shuffled_frames_are_not_valid(read: Callable[[Break], DriftReading]) -> None:
    found = read(shuffled)
    assert found.valid is not None and found.valid <= 0.4
    assert found.exact == 0.0 and found.consistency < 0.4
    assert found.motion is not None and found.motion > 3


def test_noise_is_nothing_at_all(read: Callable[[Break], DriftReading]) -> None:
    found = read(noise)
    assert (found.valid, found.exact) == (0.0, 0.0)
    assert found.consistency < 0.02 and found.feature_distance > 0.6
    assert found.sharpness is not None and found.sharpness > 2


def test_blur_shows_in_the_sharpness(read: Callable[[Break], DriftReading]) -> None:
    found = read(blurred)
    assert found.sharpness is not None and found.sharpness < 0.4


def test_smoothness_is_read_where_things_move(rolling: list[np.ndarray]) -> None:
    def reading(dreams: list[np.ndarray]) -> DriftReading:
        begun = [Beginning(frame=real[0], state=None) for real in rolling]
        worlds = [
            WorldWindows(dream=dream, real=real, other=real, start=start, real_start=start, state=None)
            for dream, real, start in zip(dreams, rolling, begun, strict=True)
        ]
        return read_drift(6, worlds, None)

    assert reading(rolling).moving_smoothness == pytest.approx(1.0)
    assert reading(frozen(rolling)).moving_smoothness == 0.0
    worst = reading(noise(rolling)).moving_smoothness
    assert worst is not None and worst < 0.25


def test_world_of_unknown_states_is_read_without_them(walks: list[LongWalk]) -> None:
    def unread(walk: LongWalk) -> Beginning:
        return Beginning(frame=walk.clip[-1], state=None)

    worlds = [
        WorldWindows(
            dream=walk.windows[4], real=walk.windows[4], other=walk.windows[4], start=unread(walk),
            real_start=unread(walk), state=None,
        )
        for walk in walks[:2]
    ]  # fmt: skip
    found = read_drift(4, worlds, None)
    assert (found.valid, found.exact, found.n) == (None, None, 2)


def test_nothing_is_no_share_of_nothing() -> None:
    assert ratio(1.0, 0.0) is None
    assert ratio(1.0, 2.0) == 0.5
    assert mean([float("nan"), 1.0]) == 1.0
    assert mean([]) == 0.0
