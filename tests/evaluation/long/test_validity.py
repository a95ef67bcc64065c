"""Validity by the twin's word."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.validity import Validity
from wm_gym.evaluation.long.walks import LongWalk
from wm_gym.evaluation.twin import Env


@pytest.fixture(scope="module")
def validity(twin_env: Env) -> Validity:
    found = Validity.of(twin_env, "minigrid")
    assert found is not None
    return found


def shares(validity: Validity, walks: list[LongWalk], windows: list[np.ndarray]) -> float:
    found = [validity.share(each, walk.start.state or {}) for each, walk in zip(windows, walks, strict=True)]
    return sum(found) / len(found)


def test_real_and_frozen_frames_are_valid(validity: Validity, walks: list[LongWalk]) -> None:
    real = [walk.windows[8] for walk in walks]
    assert shares(validity, walks, real) == 1.0
    assert shares(validity, walks, frozen(real)) == 1.0  # and not exact: see below


def test_frames_of_other_worlds_and_noise_are_not(validity: Validity, walks: list[LongWalk]) -> None:
    real = [walk.windows[8] for walk in walks]
    assert shares(validity, walks, shuffled(real)) <= 0.4
    assert shares(validity, walks, noise(real)) == 0.0


def test_only_the_true_state_is_exact(validity: Validity, walks: list[LongWalk]) -> None:
    for walk in walks:
        assert validity.is_exact(walk.windows[8][-1], walk.states[8])
        assert not validity.is_exact(noise([walk.windows[8]])[0][-1], walk.states[8])
    assert not all(validity.is_exact(walk.clip[-1], walk.states[8]) for walk in walks)


class Blind(gym.Env[Any, Any]):
    """An env that knows nothing of states."""


def test_world_without_a_reader_has_none(balls_env: Env) -> None:
    assert Validity.of(balls_env, "balls") is not None
    assert Validity.of(Blind(), "blind") is None
