"""Layouts: 8x8 with a closed border, disjoint splits, and the right things in each kind."""

import numpy as np
import pytest
from minigrid.core.grid import Grid
from minigrid.core.world_object import Door

from envs.minigrid.layouts import GENERATORS, SHARES, Layout, draw_layout
from envs.minigrid.twin import MiniGridTwin

KINDS = list(GENERATORS)


def count(grid: Grid, kind: str) -> int:
    return sum(thing is not None and thing.type == kind for thing in grid.grid)


def grids_of(split: str, layout: str, resets: int) -> set[bytes]:
    twin = MiniGridTwin(layout=layout, split=split)
    twin.reset(seed=0)
    grids = set()
    for _ in range(resets):
        grids.add(twin.simulator.grid_env.grid.encode().tobytes())
        twin.reset()
    return grids


def draws(kind: str, number: int = 150) -> list[Layout]:
    rng = np.random.default_rng(0)
    return [draw_layout(kind, rng) for _ in range(number)]


@pytest.mark.parametrize("kind", KINDS)
def test_splits_share_no_grid(kind: str) -> None:
    train, test = grids_of("train", kind, 400), grids_of("test", kind, 200)
    assert len(test) > 20 and not train & test


def test_one_layout_in_eight_is_for_testing() -> None:
    splits = [layout.split for layout in draws("rooms", 1600)]
    assert splits.count("test") / len(splits) == pytest.approx(1 / 8, abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_border_is_wall(kind: str) -> None:
    edge = [(i, j) for i in range(8) for j in range(8) if {i, j} & {0, 7}]
    for layout in draws(kind):
        assert all(getattr(layout.grid.get(*cell), "type", None) == "wall" for cell in edge)


@pytest.mark.parametrize("kind", KINDS)
def test_agent_starts_on_free_floor(kind: str) -> None:
    for layout in draws(kind):
        assert layout.starts and all(layout.grid.get(*start) is None for start in layout.starts)


@pytest.mark.parametrize("kind", KINDS)
def test_rooms_vary_in_size_and_place(kind: str) -> None:
    walls = {tuple(thing is not None and thing.type == "wall" for thing in layout.grid.grid) for layout in draws(kind)}
    assert len(walls) > 20


@pytest.mark.parametrize("kind", ["empty", "doorkey", "crossing"])
def test_these_kinds_always_have_a_goal(kind: str) -> None:
    assert {count(layout.grid, "goal") for layout in draws(kind)} == {1}


@pytest.mark.parametrize("kind", ["objects", "rooms"])
def test_these_kinds_have_a_goal_in_some_draws(kind: str) -> None:
    assert {count(layout.grid, "goal") for layout in draws(kind)} == {0, 1}


def test_doorkey_has_one_locked_door_and_its_key() -> None:
    for layout in draws("doorkey"):
        doors = [thing for thing in layout.grid.grid if isinstance(thing, Door)]
        keys = [thing for thing in layout.grid.grid if thing is not None and thing.type == "key"]
        assert [door.color for door in doors] == [key.color for key in keys] and doors[0].is_locked


def test_objects_has_one_to_six_things() -> None:
    numbers = {sum(count(layout.grid, kind) for kind in ("key", "ball", "box")) for layout in draws("objects")}
    assert numbers == {1, 2, 3, 4, 5, 6}


def test_rooms_have_doors_of_every_state() -> None:
    doors = [thing for layout in draws("rooms") for thing in layout.grid.grid if thing and thing.type == "door"]
    assert {thing.encode()[2] for thing in doors} == {0, 1, 2}


def test_each_locked_door_has_a_key() -> None:
    for layout in draws("rooms"):
        things = [thing for thing in layout.grid.grid if thing is not None]
        locked = {thing.color for thing in things if isinstance(thing, Door) and thing.is_locked}
        assert locked <= {thing.color for thing in things if thing.type == "key"}


def test_shares_cover_every_kind_and_sum_to_one() -> None:
    assert list(SHARES) == KINDS and sum(SHARES.values()) == pytest.approx(1.0)
