"""Routes over poses: shortest, priced, and played back by the simulator."""

import math

import numpy as np
import pytest

from envs.minigrid.twin import MiniGridTwin
from policies.minigrid.routes import Action, free_price, front, pose_of, search


@pytest.fixture
def twin() -> MiniGridTwin:
    twin = MiniGridTwin(layout="doorkey")
    twin.reset(seed=0)
    return twin


def test_actions_lead_to_the_pose(twin: MiniGridTwin) -> None:
    saved = twin.clone_state()
    for pose in search(twin.simulator.grid_env, free_price).prices:
        twin.restore_state(saved)
        for _, action in search(twin.simulator.grid_env, free_price).actions_to(pose):
            twin.simulator.grid_env.step(action)
        assert pose_of(twin.simulator.grid_env) == pose


def test_price_counts_the_actions(twin: MiniGridTwin) -> None:
    routes = search(twin.simulator.grid_env, free_price)
    assert all(len(routes.actions_to(pose)) == price for pose, price in routes.prices.items())


def test_free_routes_keep_off_the_goal(twin: MiniGridTwin) -> None:
    x, y = map(int, twin.state()["goal"].split(","))
    assert search(twin.simulator.grid_env, free_price).standing((x, y)) is None


def test_facing_looks_at_the_cell(twin: MiniGridTwin) -> None:
    x, y = map(int, next(iter(twin.state()["objects"])).split(","))
    pose = search(twin.simulator.grid_env, free_price).facing((x, y))
    assert pose is not None and front(pose) == (x, y)


def test_forbidden_cells_are_never_reached() -> None:
    twin = MiniGridTwin(layout="empty")
    twin.reset(seed=0)
    everywhere = search(twin.simulator.grid_env, lambda thing: math.inf)
    assert {pose[:2] for pose in everywhere.prices} == {tuple(twin.state()["agent"])}


def test_actions_are_minigrids(twin: MiniGridTwin) -> None:
    assert [int(action) for action in Action] == [int(action) for action in twin.simulator.grid_env.actions]


def test_search_leaves_the_world_alone(twin: MiniGridTwin) -> None:
    before = twin.state()
    search(twin.simulator.grid_env, free_price)
    assert twin.state() == before and np.isfinite(before["direction"])
