"""The physics: what a push does, and that nothing leaves the room."""

import numpy as np
import pytest

from envs.pusht.actions import REACH
from envs.pusht.physics import WorldPoses, advance
from envs.pusht.shapes import AGENT_RADIUS, T_CORNERS, WALL, WORKSPACE, Pose, distance_to_t

MIDDLE = Pose(centre=(256.0, 256.0), angle=0.0)


def push(poses: WorldPoses, displacement: tuple[float, float], steps: int) -> WorldPoses:
    for _ in range(steps):
        poses = advance(poses, displacement)
    return poses


def test_push_through_the_centre_of_mass_does_not_turn_the_block() -> None:
    after = push(WorldPoses(agent=(256.0, 180.0), block=MIDDLE), (0.0, 24.0), 4).block
    assert after.centre[1] - 256 > 20 and abs(after.centre[0] - 256) < 0.5 and abs(after.angle) < 0.01


def test_push_on_the_bars_right_end_turns_the_block_clockwise() -> None:
    assert push(WorldPoses(agent=(310.0, 180.0), block=MIDDLE), (0.0, 24.0), 4).block.angle > 0.2


def test_block_stays_where_it_is_when_the_pusher_leaves() -> None:
    poses = push(WorldPoses(agent=(256.0, 180.0), block=MIDDLE), (0.0, 24.0), 4)
    block = push(poses, (0.0, -24.0), 1).block
    assert push(poses, (0.0, -24.0), 4).block == block
    np.testing.assert_allclose(block.centre, poses.block.centre, atol=0.5)


def test_wall_stops_the_pusher() -> None:
    x, _ = push(WorldPoses(agent=(60.0, 256.0), block=Pose(centre=(350.0, 256.0), angle=0.0)), (-24.0, 0.0), 6).agent
    assert x == pytest.approx(WALL + AGENT_RADIUS, abs=1.0)


def test_nothing_leaves_the_room_or_is_crushed_under_hard_pushes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(8):
        centre = rng.uniform(110, 400, 2)
        poses = WorldPoses(agent=(60.0, 60.0), block=Pose(centre=(centre[0], centre[1]), angle=rng.uniform(0, 6.28)))
        for _ in range(60):
            to_block = np.subtract(poses.block.centre, poses.agent)
            displacement = 34 * to_block / np.linalg.norm(to_block) + rng.normal(0, 15, 2)
            x, y = displacement.clip(-REACH, REACH)
            poses = advance(poses, (x, y))
            corners = poses.block.place(T_CORNERS)
            assert corners.min() > WALL - 4 and corners.max() < WORKSPACE - WALL + 4
            assert distance_to_t(poses.block.unplace(np.array(poses.agent))) > AGENT_RADIUS - 6
            assert WALL + AGENT_RADIUS - 4 < min(poses.agent) <= max(poses.agent) < WORKSPACE - WALL - AGENT_RADIUS + 4


def test_same_poses_give_the_same_step_to_the_last_bit() -> None:
    poses = WorldPoses(agent=(256.0, 190.0), block=Pose(centre=(250.0, 256.0), angle=0.3))
    first, second = (push(poses, (3.0, 24.0), 5) for _ in range(2))
    assert first == second and first.block != poses.block
