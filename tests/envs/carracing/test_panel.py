"""The panel: bars that read back as they were drawn, and broken bars that do not."""

from typing import Any

import numpy as np
import pytest

from envs.carracing.panel import HEIGHT, draw_panel, read_panel, true_levels
from envs.carracing.race import Race


@pytest.fixture(scope="module")
def race() -> Race:
    """A race in the middle of a bend."""
    race = Race()
    race.reset(seed=0)
    for tick in range(100):
        race.step(np.array([0.2 * (tick > 90), 0.8, 0.0]))
    return race


def panel(race: Race) -> Any:
    frame = np.full((64, 64, 3), 100, np.uint8)
    draw_panel(frame, race)
    return frame


def test_bars_read_back_on_every_tick() -> None:
    race, seen = Race(), set()
    race.reset(seed=1)
    held = np.random.default_rng(0).uniform((-0.5, 0, 0), (0.5, 1, 0.3), (40, 3))
    for controls in held.repeat(15, axis=0):
        race.step(controls)
        levels = true_levels(race)
        assert read_panel(panel(race)) == levels
        seen.add(tuple(levels.values()))
    assert {steering for *_, steering in seen} == set(range(-4, 5)) and len(seen) > 50


def test_levels_are_speeds_of_5_and_angles_of_a_tenth(race: Race) -> None:
    levels = true_levels(race)
    assert levels["speed"] == pytest.approx(race.speed / 5, abs=0.7) and levels["speed"] > 4
    assert levels["wheel_speed"] == pytest.approx(race.wheel_speed / 5, abs=0.7) and levels["wheel_speed"] > 4
    assert levels["steering"] == pytest.approx(race.steering / 0.1, abs=0.7) and levels["steering"] < -1


def test_an_angle_to_the_right_is_drawn_to_the_right(race: Race) -> None:
    green = panel(race)[-2:, :, 1].max(0)
    assert green[32:].any() and not green[:32].any()


def test_view_is_left_alone(race: Race) -> None:
    assert (panel(race)[:-HEIGHT] == 100).all()


def test_bars_survive_noise(race: Race) -> None:
    noisy = panel(race).astype(int) + np.random.default_rng(0).integers(-60, 61, (64, 64, 3))
    assert read_panel(noisy.clip(0, 255).astype(np.uint8)) == true_levels(race)


def test_a_bar_with_a_gap_reads_as_none(race: Race) -> None:
    frame = panel(race)
    frame[:, 6:9] = 0
    assert read_panel(frame) == true_levels(race) | {"speed": None, "wheel_speed": None}


def test_bars_on_both_sides_read_as_none(race: Race) -> None:
    frame = panel(race)
    frame[-2:, 24:32] = 255
    assert read_panel(frame)["steering"] is None


@pytest.mark.parametrize("frame", [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.float32), None])
def test_other_than_a_frame_is_refused(frame: Any) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_panel(frame)
