"""Layouts to walk about in: walled, connected, full of landmarks, and split."""

from collections import Counter

import numpy as np
import pytest

from envs.minigrid.layouts import Layout, connected
from envs.minigrid.view import MiniGridViewTwin
from envs.minigrid.view_layouts import NUM_OBJECTS, VIEW_GRID_SIZE, draw_view_layout


@pytest.fixture(scope="module")
def layouts() -> list[Layout]:
    rng = np.random.default_rng(0)
    return [draw_view_layout(rng) for _ in range(400)]


def kinds(layout: Layout) -> list[str]:
    return ["" if thing is None else thing.type for thing in layout.grid.grid]


def test_border_is_wall(layouts: list[Layout]) -> None:
    last = VIEW_GRID_SIZE - 1
    edge = [(i, j) for i in range(VIEW_GRID_SIZE) for j in range(VIEW_GRID_SIZE) if {i, j} & {0, last}]
    for layout in layouts:
        assert all(getattr(layout.grid.get(*cell), "type", None) == "wall" for cell in edge)


def test_every_cell_that_is_not_blocked_can_be_reached(layouts: list[Layout]) -> None:
    for layout in layouts:
        free = [index for index, kind in enumerate(kinds(layout)) if kind in ("", "floor")]
        assert sorted(y * VIEW_GRID_SIZE + x for x, y in layout.starts) == free
        assert connected(layout.starts)


def test_most_cells_are_landmarks_and_few_are_in_the_way(layouts: list[Layout]) -> None:
    counts = Counter(kind for layout in layouts for kind in kinds(layout))
    assert counts["key"] + counts["ball"] + counts["box"] == NUM_OBJECTS * len(layouts)
    inside, outer = (VIEW_GRID_SIZE - 2) ** 2 * len(layouts), (VIEW_GRID_SIZE - 1) * 4 * len(layouts)
    assert 0.6 <= counts["floor"] / inside <= 0.7
    assert 0.1 <= (counts["wall"] - outer + NUM_OBJECTS * len(layouts)) / inside <= 0.16


def test_all_colours_of_floor_come_alike(layouts: list[Layout]) -> None:
    colors = Counter(thing.color for layout in layouts for thing in layout.grid.grid if thing and thing.type == "floor")
    np.testing.assert_allclose(np.array(list(colors.values())) / colors.total(), 1 / 6, atol=0.01)


def test_one_layout_in_eight_is_for_testing(layouts: list[Layout]) -> None:
    assert [layout.split for layout in layouts].count("test") / 400 == pytest.approx(1 / 8, abs=0.05)


def test_splits_share_no_grid() -> None:
    grids = {}
    for split in ("train", "test"):
        twin = MiniGridViewTwin(split=split)
        grids[split] = {twin.reset(seed=seed) and twin.simulator.grid_env.grid.encode().tobytes() for seed in range(80)}
    assert len(grids["train"]) == len(grids["test"]) == 80 and not grids["train"] & grids["test"]
