"""Velocities read off real renderings, in and out of the trained range, and off broken ones."""

import numpy as np
import pytest

from envs.balls.drawing import COLOURS, GROUND
from envs.balls.laws import LAWS, SPEEDS, STEP_SECONDS
from tests.evaluation.long.broken import frozen, noise, shuffled
from wm_gym.evaluation.long.falls import Fall, collect_falls, lawful
from wm_gym.evaluation.long.physics import VelocityError, places_of, read_places, velocities, velocity_error
from wm_gym.evaluation.twin import Env, real_twin

PIXELS = 6.4  # a unit


def read(env: Env, windows: list[np.ndarray]) -> np.ndarray:
    return np.stack([read_places(real_twin(env), window) for window in windows])


def compare(env: Env, windows: list[np.ndarray], real: list[np.ndarray]) -> VelocityError:
    return velocity_error(read(env, windows), read(env, real))


def falls(env: Env, law: str, speeds: str = "trained", number: int = 3) -> list[Fall]:
    return collect_falls(env, law=law, speeds=speeds, num_falls=number, seed=1)


@pytest.mark.parametrize("speeds", SPEEDS)
def test_uniform_motion_is_read_at_its_speed(balls_env: Env, speeds: str) -> None:
    low, high = (PIXELS * STEP_SECONDS * bound for bound in SPEEDS[speeds])
    for fall in falls(balls_env, "uniform", speeds):
        found = velocities(read_places(real_twin(balls_env), fall.frames))[:, 0]
        lengths = np.linalg.norm(found, axis=-1)
        assert low - 0.1 <= lengths.min() and lengths.max() <= high + 0.1
        assert np.ptp(lengths) < 0.15  # uniform


@pytest.mark.parametrize("speeds", SPEEDS)
def test_throw_falls_at_gravity(balls_env: Env, speeds: str) -> None:
    for fall in falls(balls_env, "parabola", speeds):
        found = velocities(read_places(real_twin(balls_env), fall.frames))[:, 0]
        gains = np.diff(found[:, 1])
        assert gains.mean() == pytest.approx(9.8 * STEP_SECONDS**2 * PIXELS, abs=0.05)
        assert np.ptp(found[:, 0]) < 0.15  # nothing pulls sideways


@pytest.mark.parametrize("speeds", SPEEDS)
def test_collision_keeps_momentum(balls_env: Env, speeds: str) -> None:
    simulator = lawful(balls_env)
    for fall in falls(balls_env, "collision", speeds, 2):
        frames = np.concatenate([fall.clip, fall.frames])
        found = velocities(read_places(real_twin(balls_env), frames))
        shares = ((frames[0] - np.array(GROUND, float)) @ np.linalg.pinv(np.array(COLOURS, float) - GROUND)).clip(0, 1)
        areas = shares.sum((0, 1))  # masses, up to a factor
        momenta = found[:, 0, 0] * areas[0] + found[:, 1, 0] * areas[1]
        assert momenta[-1] == pytest.approx(momenta[0], abs=0.2 * float(areas.max()))
        assert (np.sign(found[0, :, 0]) != np.sign(found[-1, :, 0])).any()  # at least one turned round
    assert simulator is not None and simulator.law is None  # as it was


@pytest.mark.parametrize("law", LAWS)
def test_real_frames_have_no_error_and_broken_ones_all_of_it(balls_env: Env, law: str) -> None:
    real = [fall.frames for fall in falls(balls_env, law)]
    assert compare(balls_env, real, real).relative == 0.0
    still = compare(balls_env, frozen(real), real)
    assert still.relative == pytest.approx(1.0) and still.lost == 0.0
    lost = compare(balls_env, noise(real), real)
    assert lost.relative == pytest.approx(1.0) and lost.lost == 1.0
    assert compare(balls_env, shuffled(real), real).relative > 1.0


def test_missing_place_is_nan() -> None:
    places = places_of([{"first": [1.0, 2.0], "second": None}, {"first": [2.0, 4.0], "second": None}])
    assert velocities(places)[0, 0].tolist() == [1.0, 2.0]
    assert np.isnan(places[:, 1]).all()


def test_things_that_are_not_really_there_do_not_count() -> None:
    nowhere = np.full((1, 3, 2, 2), np.nan)
    assert velocity_error(nowhere, nowhere).n == 0
    assert velocity_error(nowhere, nowhere).relative == 0.0


def test_world_without_laws_is_refused(twin_env: Env) -> None:
    assert lawful(twin_env) is None
    with pytest.raises(ValueError, match="twin must know its laws"):
        collect_falls(twin_env, law="uniform", speeds="trained", num_falls=1, seed=0)
