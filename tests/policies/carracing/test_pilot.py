"""The pilot: which way it turns and how it slows down."""

import math

import numpy as np
import pytest

from envs.carracing.race import Race
from policies.carracing.pilot import Pilot


def place(race: Race, tile: int, sideways: float, turned: float = 0.0) -> None:
    """Puts the car beside a tile (positive to the left), turned away from the road's direction."""
    line = race.center_line()
    ahead = line[(tile + 1) % len(line)] - line[tile]
    heading = math.atan2(ahead[1], ahead[0])
    x, y = line[tile] + sideways * np.array([-math.sin(heading), math.cos(heading)])
    race.car.hull.position = (float(x), float(y))
    race.car.hull.angle = heading + turned - math.pi / 2


@pytest.fixture
def race() -> Race:
    race = Race()
    race.reset(seed=0)
    return race


@pytest.fixture
def straight(race: Race) -> int:
    """A tile with a straight road ahead."""
    headings = np.array([beta for _, beta, _, _ in race.track])
    return int(np.argmin([np.ptp(np.roll(headings, -tile)[:8]) for tile in range(len(headings))]))


@pytest.mark.parametrize("turned", [0.0, 0.3, -0.3])
def test_turns_against_the_cars_own_turn(race: Race, straight: int, turned: float) -> None:
    place(race, straight, 0, turned)
    steering = Pilot(race, 60).aim(race).steering
    assert abs(steering) < 0.05 if turned == 0 else steering * turned < -0.05


@pytest.mark.parametrize("sideways", [-15.0, -4.0, 4.0, 15.0])
def test_heads_back_to_the_middle(race: Race, straight: int, sideways: float) -> None:
    place(race, straight, sideways)
    assert Pilot(race, 60).aim(race).steering * sideways < 0


def test_never_wants_more_than_the_cruise_speed(race: Race) -> None:
    pilot = Pilot(race, 30)
    wanted = []
    for tile in range(0, len(race.track), 5):
        place(race, tile, 0)
        wanted.append(pilot.aim(race).extra_speed + race.speed)
    assert max(wanted) == pytest.approx(30)


def test_slows_down_before_a_bend(race: Race) -> None:
    pilot = Pilot(race, 90)
    headings = np.array([beta for _, beta, _, _ in race.track])
    sharpest = int(np.abs(np.roll(headings, -2) - headings).argmax())
    speeds = []
    for distance in (20, 10, 0):
        place(race, (sharpest - distance) % len(headings), 0)
        speeds.append(pilot.aim(race).extra_speed + race.speed)
    assert speeds[2] < speeds[1] < speeds[0]
