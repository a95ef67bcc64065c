"""The race: Gymnasium's own but for the drawing and the place of the start."""

import math
from typing import Any

import numpy as np

from envs.carracing.race import HALF_ROAD, TILE_LENGTH, Race

GYMNASIUMS: Any = Race.__base__


def begin(seed: int) -> Race:
    race = Race()
    race.reset(seed=seed)
    return race


def test_step_is_gymnasiums() -> None:
    assert Race.step is GYMNASIUMS.step


def test_track_is_gymnasiums_begun_elsewhere() -> None:
    upstream = GYMNASIUMS()
    upstream.reset(seed=3)
    race = begin(3)
    first = upstream.track.index(race.track[0])
    assert first > 0 and race.track == upstream.track[first:] + upstream.track[:first]


def test_car_starts_on_the_first_tile_and_looks_along_the_road() -> None:
    race = begin(5)
    x, y, angle = race.pose
    line = race.center_line()
    assert math.dist((x, y), line[0]) < 1
    ahead = line[2] - line[0]
    assert np.dot(ahead / np.linalg.norm(ahead), (-math.sin(angle), math.cos(angle))) > 0.9


def test_gas_spins_the_rear_wheels_and_a_blocked_wheel_stands() -> None:
    race = begin(5)
    for _ in range(30):
        race.step(np.array([0.0, 1.0, 0.0]))
    assert race.wheel_speed > race.speed + 10
    race.step(np.array([0.0, 0.0, 1.0]))
    assert abs(race.wheel_speed) < 5 < race.speed


def test_first_tile_that_counts_is_the_start() -> None:
    race = begin(5)
    for _ in range(5):
        race.step(np.zeros(3))
    assert race.road[0].road_visited and race.wheels_on_road == 4


def test_starts_lie_all_around_the_field() -> None:
    angles = [math.atan2(*begin(seed).pose[:2]) for seed in range(16)]
    assert len(np.unique(np.floor(np.array(angles) / (math.pi / 4)))) >= 6


def test_center_line_is_closed_and_evenly_spaced() -> None:
    line = begin(2).center_line()
    gaps = np.linalg.norm(line - np.roll(line, -1, axis=0), axis=1)
    seam = gaps.argmax()  # where Gymnasium glues head and tail together
    np.testing.assert_allclose(np.delete(gaps, seam), TILE_LENGTH)
    assert gaps[seam] < 2.1 * TILE_LENGTH


def test_road_is_as_wide_as_it_says() -> None:
    race = begin(2)
    corners = np.array(race.road_poly[0][0])
    assert abs(np.linalg.norm(corners[0] - corners[1]) - 2 * HALF_ROAD) < 1e-6
