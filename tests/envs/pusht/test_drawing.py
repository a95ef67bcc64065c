"""The pictures: colours by area, and everything where it is."""

import numpy as np
import pytest

from envs.pusht.drawing import PALETTE, SCALE, WALL_COLOUR, disc_shares, draw, t_shares
from envs.pusht.shapes import AGENT_RADIUS, GOAL, T_AREA, Pose

FRAME = draw((96.0, 400.0), Pose(centre=(400.0, 120.0), angle=0.5))


def colour(x: float, y: float) -> tuple[int, ...]:
    """Of the pixel that holds a place in the workspace."""
    return tuple(FRAME[int(y / SCALE), int(x / SCALE)].tolist())


def test_each_thing_has_its_colour() -> None:
    places = {"agent": (96, 400), "block": (400, 120), "goal": GOAL.centre, "floor": (480, 480)}
    assert {name: colour(*place) for name, place in places.items()} == PALETTE
    assert colour(2, 256) == colour(256, 510) == WALL_COLOUR


def test_edges_are_mixed() -> None:
    assert len(np.unique(FRAME.reshape(-1, 3), axis=0)) > 20


def test_shares_add_up_to_the_areas() -> None:
    disc = disc_shares((97.0, 401.0)).sum() * SCALE**2
    assert disc == pytest.approx(np.pi * AGENT_RADIUS**2, rel=0.03)
    assert t_shares(Pose(centre=(300.0, 203.0), angle=0.7)).sum() * SCALE**2 == pytest.approx(T_AREA, rel=0.02)


def test_a_pixel_of_the_workspace_changes_the_frame() -> None:
    assert (draw((97.0, 400.0), GOAL) != draw((96.0, 400.0), GOAL)).any()


def test_pusher_is_drawn_over_the_block() -> None:
    x, y = GOAL.centre
    assert tuple(draw((x, y), GOAL)[int(y / SCALE), int(x / SCALE)].tolist()) == PALETTE["agent"]
