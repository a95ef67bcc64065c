"""The T's geometry against sums over points."""

import math

import numpy as np
import pytest

from envs.pusht.shapes import GOAL, T_AREA, T_CORNERS, T_RADIUS, Pose, coverage, distance_to_t, inside_t

STEP = 0.5
GRID = np.stack(np.meshgrid(*[np.arange(-110, 110, STEP) + STEP / 2] * 2), -1)  # about the T


def test_origin_is_the_centre_of_mass() -> None:
    inside = inside_t(GRID)
    np.testing.assert_allclose(GRID[inside].mean(0), [0.0, 0.0], atol=0.2)
    assert inside.sum() * STEP**2 == pytest.approx(T_AREA, rel=0.01)


def test_stem_points_down_at_angle_0_and_left_a_quarter_turn_later() -> None:
    lowest = T_CORNERS[np.argmax(T_CORNERS[:, 1])]
    assert lowest[1] > -T_CORNERS[:, 1].min()
    turned = Pose(centre=(0.0, 0.0), angle=math.pi / 2).place(lowest[None])
    assert turned[0, 0] == pytest.approx(-lowest[1])


def test_no_corner_is_outside_the_radius() -> None:
    assert np.hypot(*T_CORNERS.T).max() == pytest.approx(T_RADIUS)


def test_unplace_undoes_place() -> None:
    pose = Pose(centre=(100.0, 200.0), angle=2.0)
    np.testing.assert_allclose(pose.unplace(pose.place(T_CORNERS)), T_CORNERS, atol=1e-9)


def test_distance_is_0_inside_and_grows_outside() -> None:
    distances = distance_to_t(GRID)
    np.testing.assert_array_equal(distances == 0, inside_t(GRID))
    assert distance_to_t(np.array([0.0, T_CORNERS[:, 1].max() + 7.0])) == pytest.approx(7.0)


@pytest.mark.parametrize("seed", range(6))
def test_coverage_is_the_share_of_the_goals_points_in_the_block(seed: int) -> None:
    x, y, angle = np.random.default_rng(seed).uniform([-60, -60, -3], [60, 60, 3])
    block = Pose(centre=(GOAL.centre[0] + x, GOAL.centre[1] + y), angle=GOAL.angle + angle)
    goal_points = GOAL.place(GRID[inside_t(GRID)])
    assert coverage(block) == pytest.approx(inside_t(block.unplace(goal_points)).mean(), abs=0.01)


def test_coverage_is_1_on_the_goal_and_0_far_off() -> None:
    assert coverage(GOAL) == pytest.approx(1.0) and coverage(Pose(centre=(60.0, 60.0), angle=0.0)) == 0.0
