"""Ways around walls."""

import math

import numpy as np
import pytest

from policies.doom.routes import CLEARANCE, SPACING, Routes, distance

WALLS = np.array(  # two rooms of 160 units side by side, joined by a door of 64 units at the top
    [
        (0, 0, 320, 0),
        (320, 0, 320, 160),
        (320, 160, 0, 160),
        (0, 160, 0, 0),
        (160, 0, 160, 96),
    ],
    np.float64,
)
START, GOAL = (32.0, 32.0), (288.0, 32.0)


@pytest.fixture
def routes() -> Routes:
    return Routes(WALLS, START)


def test_distance_is_to_the_nearest_wall_or_its_end() -> None:
    points = np.array([(40.0, 80.0), (160.0, 120.0), (300.0, 10.0)])
    np.testing.assert_allclose(distance(points, WALLS), [40.0, 24.0, 10.0])


def test_path_goes_through_the_door(routes: Routes) -> None:
    path = routes.path(START, GOAL)
    assert math.dist(path[0], START) < SPACING and math.dist(path[-1], GOAL) < SPACING
    assert min(y for x, y in path if abs(x - 160) < SPACING / 2) > 96


def test_path_keeps_clear_of_walls(routes: Routes) -> None:
    assert distance(np.array(routes.path(START, GOAL)), WALLS).min() >= CLEARANCE


def test_places_are_those_that_can_be_reached() -> None:
    closed = np.vstack([WALLS, (160, 96, 160, 160)])
    assert max(x for x, _ in Routes(closed, START).places) < 160
    assert max(x for x, _ in Routes(WALLS, START).places) > 280


def test_no_way_is_an_empty_path() -> None:
    closed = np.vstack([WALLS, (160, 96, 160, 160)])
    assert Routes(closed, START).path(START, GOAL) == []


def test_aim_is_straight_ahead_and_not_through_walls(routes: Routes) -> None:
    aim = routes.aim(START, routes.path(START, GOAL))
    assert math.dist(aim, START) > 4 * SPACING
    assert distance(np.linspace(START, aim, 50), WALLS).min() > CLEARANCE - 4
