"""The painter: it shows what Gymnasium's renderer shows."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from envs.carracing.painter import Painter
from envs.carracing.race import Race

GYMNASIUMS: Any = Race.__base__
VIEW = slice(0, 55)  # the rest is Gymnasium's panel


def drive(seed: int, controls: tuple[float, float, float], ticks: int) -> Race:
    race = Race()
    race.reset(seed=seed)
    for _ in range(ticks):
        race.step(np.array(controls))
    return race


def gymnasiums_picture(race: Race) -> np.ndarray:
    """The 96x96 state of Gymnasium with its camera at rest, resized by area."""
    race.t = 1.0
    state = GYMNASIUMS._render(race, "state_pixels")
    return np.asarray(Image.fromarray(state).resize((64, 64), Image.Resampling.BOX))


@pytest.mark.parametrize(
    "seed, controls, ticks",
    [(0, (0, 0, 0), 1), (1, (0.05, 0.3, 0), 90), (2, (-0.3, 0.4, 0), 60), (4, (0, 0.5, 0), 150), (1, (0, 1, 0), 330)],
)
def test_view_is_gymnasiums(seed: int, controls: tuple[float, float, float], ticks: int) -> None:
    race = drive(seed, controls, ticks)
    difference = np.abs(Painter(race).paint()[VIEW].astype(int) - gymnasiums_picture(race)[VIEW])
    assert difference.mean() < 2.5 and (difference.max(-1) > 60).mean() < 0.02


def test_car_is_red_and_always_in_the_same_place() -> None:
    for race in (drive(0, (0, 0, 0), 1), drive(2, (-0.3, 0.4, 0), 60)):
        frame = Painter(race).paint().astype(int)
        rows, columns = np.nonzero(frame[VIEW, :, 0] - frame[VIEW, :, 1:].max(-1) > 60)
        inside = (abs(rows - 48) <= 5) & (abs(columns - 31.5) <= 3)
        assert inside.sum() >= 6


def test_painting_leaves_the_race_alone() -> None:
    race, twin = drive(3, (0.1, 0.4, 0), 40), drive(3, (0.1, 0.4, 0), 40)
    Painter(race).paint()
    for each in (race, twin):
        each.step(np.array([0.1, 0.4, 0]))
    assert race.pose == twin.pose


def test_each_frame_has_memory_of_its_own() -> None:
    painter = Painter(drive(0, (0, 0, 0), 1))
    first = painter.paint()
    kept = first.copy()
    painter.paint()[:] = 0
    np.testing.assert_array_equal(first, kept)
