"""The fast views draw Crafter's own pixels, by day, at night, asleep and at the edge of the world."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from crafter import constants, engine

from envs.crafter.twin import Crafter
from envs.crafter.view import CENTER, OUTSIDE, window


def moments(simulator: Crafter) -> Iterator[Any]:
    """Games in many lights and places, all of them drawn from one world."""
    simulator.reset(np.random.default_rng(0), "train")
    env, rng = simulator.env, np.random.default_rng(1)
    for step in range(0, 300, 12):
        env._step = step
        env._update_time()
        env._player.sleeping = bool(rng.random() < 0.3)
        env._player.inventory.update({item: int(rng.integers(10)) for item in constants.items})
        corner = np.array([0, 0]) if step % 36 == 0 else env._player.pos
        cell = next(c for c in np.argwhere(env._world._obj_map == 0) if (c >= corner).all())
        env._world.move(env._player, cell)
        yield env


def test_frame_is_crafters_own() -> None:
    simulator = Crafter(start="midway")
    fast = simulator.env._local_view, simulator.env._item_view
    for env in moments(simulator):
        generator = env._world.random.get_state()
        frame = env.render()
        env._world.random.set_state(generator)
        textures = env._textures
        env._local_view = engine.LocalView(env._world, textures, [9, 7])
        env._item_view = engine.ItemView(textures, [9, 2])
        np.testing.assert_array_equal(frame, env.render())
        env._local_view, env._item_view = fast


@pytest.mark.parametrize("center", [(0, 0), (63, 63), (30, 40)])
def test_window_marks_what_is_outside(center: tuple[int, int]) -> None:
    simulator = Crafter(start="new")
    simulator.reset(np.random.default_rng(0), "train")
    materials, things = window(simulator.env._world, center)
    across, down = (np.arange(size) - middle for size, middle in zip(materials.shape, CENTER, strict=True))
    x, y = np.meshgrid(across + center[0], down + center[1], indexing="ij")
    inside = (x >= 0) & (x < 64) & (y >= 0) & (y < 64)
    np.testing.assert_array_equal(materials >= 0, inside)
    assert things[~inside].sum() == 0 and OUTSIDE not in constants.materials
