"""The ways around the block, walked in the simulator."""

import math

import numpy as np
import pytest

from envs.pusht.physics import WorldPoses
from envs.pusht.shapes import Pose
from policies.pusht.expert import Expert, distance_to_goal
from policies.pusht.routes import STRAIGHT_AXIS, Move, Routes, moved, search, tilted_axis

POSES = WorldPoses(agent=(256.0, 100.0), block=Pose(centre=(256.0, 240.0), angle=0.4))


def walk(way: list[Move]) -> WorldPoses:
    poses = POSES
    for move in way:
        poses = moved(poses, move)
    return poses


@pytest.fixture(params=[0, 1, 2])
def routes(request: pytest.FixtureRequest) -> Routes:
    """On the straight board and on two tilted ones."""
    rng = np.random.default_rng(request.param)
    return search(POSES, tilted_axis(rng) if request.param else STRAIGHT_AXIS)


def test_way_ends_at_its_node_and_leaves_the_block(routes: Routes) -> None:
    nodes = list(routes.lengths)
    places = routes.board.places(nodes)
    far = int(np.argmax(places[:, 1]))  # below the block
    after = walk(routes.moves_to(nodes[far]))
    assert after.block == POSES.block and math.dist(after.agent, places[far]) < 4


def test_moves_are_within_the_actions_range(routes: Routes) -> None:
    assert np.abs(routes.board.moves).max() <= 1 + 1e-9


def test_pushes_move_the_block(routes: Routes) -> None:
    pushes = routes.pushes(POSES.block)
    assert len(pushes) > 20
    assert all(moved(push.start, push.move).block != POSES.block for push in pushes[::10])


def test_pushes_come_from_all_sides(routes: Routes) -> None:
    offsets = [np.subtract(push.start.agent, POSES.block.centre) for push in routes.pushes(POSES.block)]
    assert len({int(math.atan2(y, x) // (math.pi / 4)) for x, y in offsets}) == 8


@pytest.mark.parametrize("fine", [False, True])
def test_experts_plan_brings_the_block_nearer(fine: bool) -> None:
    expert = Expert(np.random.default_rng(0), fine)
    poses = POSES
    for _ in range(25):
        poses = moved(poses, expert.act(poses))
    assert distance_to_goal(poses.block) < 0.5 * distance_to_goal(POSES.block)
