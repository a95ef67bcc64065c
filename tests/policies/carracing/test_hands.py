"""The hands of the CarRacing policies: manners that do what they are called."""

from itertools import groupby
from typing import Any

import numpy as np
import pytest

from envs.carracing.actions import ACTIONS, CONTROLS
from envs.carracing.twin import CarRacing
from policies.carracing.hands import LONGEST_HOLD, Hands, Manner, NumberHands, TextHands

BOTH = pytest.mark.parametrize("kind", [TextHands, NumberHands])


def numbers(action: Any) -> np.ndarray:
    """What drives, for a name too."""
    return np.asarray(CONTROLS[action] if isinstance(action, str) else action)


def begin(seed: int = 0) -> CarRacing:
    simulator = CarRacing()
    simulator.reset(np.random.default_rng(seed), "train")
    return simulator


def hands_of(kind: type[Hands], seed: int = 0) -> Hands:
    return kind(np.random.default_rng(seed))


def run(simulator: CarRacing, manner: Manner, steps: int) -> float:
    """Acts and returns the sum of the rewards."""
    actions = (manner(simulator.race) for _ in range(steps))
    return sum(simulator.step(ACTIONS.index(each) if isinstance(each, str) else each)[0] for each in actions)


@BOTH
def test_driving_follows_the_track(kind: type[Hands]) -> None:
    simulator = begin()
    run(simulator, hands_of(kind).drive(simulator.race, 40), 60)
    assert simulator.race.wheels_on_road == 4 and simulator.race.tile_visited_count > 30


@BOTH
def test_cruise_speed_holds(kind: type[Hands]) -> None:
    simulator = begin()
    drive = hands_of(kind).drive(simulator.race, 30)
    speeds = []
    for _ in range(60):
        run(simulator, drive, 1)
        speeds.append(simulator.race.speed)
    assert 20 < max(speeds) < 40


@BOTH
def test_driving_brings_a_lost_car_back(kind: type[Hands]) -> None:
    simulator, hands = begin(2), hands_of(kind)
    run(simulator, hands.drive(simulator.race, 40), 15)
    run(simulator, lambda race: np.array([-0.1, 0.5, 0], np.float32), 12)
    assert simulator.race.wheels_on_road == 0
    run(simulator, hands.drive(simulator.race, 40), 80)
    assert simulator.race.wheels_on_road == 4


@BOTH
def test_leaving_keeps_to_one_side(kind: type[Hands]) -> None:
    race = begin().race
    for seed in range(6):
        leave = hands_of(kind, seed).leave(race)
        sides = {np.sign(numbers(leave(race))[0]) for _ in range(8)}
        assert len(sides) == 1 and sides != {0}


@BOTH
def test_brake_and_idle_touch_nothing_else(kind: type[Hands]) -> None:
    race, hands = begin().race, hands_of(kind)
    brake, idle = numbers(hands.brake(race)(race)), numbers(hands.idle(race)(race))
    assert brake[2] > 0 and not brake[:2].any() and not idle.any()


@BOTH
def test_sticky_actions_are_held_for_one_to_eight_steps(kind: type[Hands]) -> None:
    race = begin().race
    sticky = hands_of(kind).sticky(race)
    holds = [len(list(group)) for _, group in groupby(map(str, (sticky(race) for _ in range(600))))]
    assert min(holds) == 1 and LONGEST_HOLD <= max(holds) <= 4 * LONGEST_HOLD  # neighbours may be drawn alike


def test_random_numbers_are_in_range_and_seldom_extreme() -> None:
    hands = hands_of(NumberHands)
    drawn = np.stack([ACTIONS.controls(numbers(hands.draw())) for _ in range(500)])
    assert (np.abs(drawn[:, 0]) > 0.4).any() and (np.abs(drawn[:, 0]) < 0.4).mean() > 0.8
    assert all(len(np.unique(column)) > 100 for column in drawn.T)


def test_random_names_are_all_drawn() -> None:
    hands = hands_of(TextHands)
    assert {hands.draw() for _ in range(200)} == set(ACTIONS.names)
