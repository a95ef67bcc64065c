"""The fast worlds are Crafter's own."""

import copy
from typing import Any

import numpy as np
from crafter import constants, engine, objects, worldgen
from opensimplex import OpenSimplex

from envs.crafter.worlds import AREA, CHUNK, InOrder, Noise, generated, grid_points


def crafters_world(seed: int) -> Any:
    world = engine.World(AREA, constants.materials, CHUNK)
    world.reset(seed)
    player = objects.Player(world, (AREA[0] // 2, AREA[1] // 2))
    world.add(player)
    worldgen.generate_world(world, player)
    return world


def test_world_is_the_one_that_crafter_generates() -> None:
    expected, (world, _) = crafters_world(3), copy.deepcopy(generated(3))
    np.testing.assert_array_equal(world._mat_map, expected._mat_map)
    np.testing.assert_array_equal(world._obj_map, expected._obj_map)
    assert [type(thing) for thing in world.objects] == [type(thing) for thing in expected.objects]
    assert world.random.randint(2**31) == expected.random.randint(2**31)


def test_noise_is_opensimplex() -> None:
    points = np.random.default_rng(0).permutation(grid_points())[:2000].tolist()
    noise, simplex = Noise(5), OpenSimplex(5)
    errors = [abs(noise.noise3(*point) - simplex.noise3(*point)) for point in points]
    assert max(errors) < 1e-13


def test_noise_off_the_grid_is_opensimplex_too() -> None:
    assert Noise(5).noise3(0.123, 4.56, 7.0) == OpenSimplex(5).noise3(0.123, 4.56, 7.0)


def test_set_remembers_its_order_through_a_copy() -> None:
    things = InOrder()
    for thing in ("zombie", "cow", "arrow", "plant"):
        things.add(thing)
    things.remove("cow")
    assert list(copy.deepcopy(things)) == ["zombie", "arrow", "plant"]
