"""Draws Crafter's frames pixel for pixel as Crafter does, from tiles that are blended once.

A frame of 64x64 pixels is 9x9 units of 7 pixels: 9x7 cells of the map around the player and two rows of inventory;
the last row and column of pixels stay black. At night Crafter mixes grey noise, fresh at each step, into the picture:
the darker and the farther from the player, the more. It tells nothing about the world and hides what it covers.
"""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt
from crafter import constants, engine

Frame = npt.NDArray[np.uint8]

UNIT = 7  # pixels
MAP_CELLS = (9, 7)  # across, down
ITEM_CELLS = (9, 2)
CENTER = (4, 3)  # the player's cell
OUTSIDE = "outside"  # beyond the edge of the world


class MapView:
    """Takes the place of `crafter.engine.LocalView`, whose light it uses."""

    def __init__(self, local_view: Any) -> None:
        """`local_view` is a `LocalView`; it gives the light and the noise."""
        self._lighting = local_view

    def __call__(self, player: Any, unit: Any) -> npt.NDArray[Any]:
        """The map around `player`, (63, 49, 3), x first; `unit` must be 7 by 7 pixels."""
        world = player.world
        self._lighting._world = world  # its generator draws the noise
        materials, things = window(world, player.pos)
        canvas = _material_tiles(tuple(world._mat_names.values()))[materials]
        for x, y in np.argwhere(things):
            material = world._mat_names[materials[x, y]]
            canvas[x, y] = tile(material, world._objects[things[x, y]].texture)
        lit = self._lighting._light(_joined(canvas), world.daylight)
        return np.asarray(self._lighting._sleep(lit) if player.sleeping else lit)


class InventoryView:
    """Takes the place of `crafter.engine.ItemView`."""

    def __call__(self, inventory: dict[str, int], unit: Any) -> Frame:
        """Symbols and counts, (63, 14, 3), x first; `unit` must be 7 by 7 pixels."""
        canvas = np.zeros((*ITEM_CELLS, UNIT, UNIT, 3), np.uint8)
        for index, (item, amount) in enumerate(inventory.items()):
            if amount > 0:
                canvas[index % ITEM_CELLS[0], index // ITEM_CELLS[0]] = item_tile(item, amount)
        return _joined(canvas)


def window(world: Any, center: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The numbers of the materials and of the objects around a cell, (9, 7) each; -1 is outside, object 0 is none."""
    left, top = int(center[0]) - CENTER[0], int(center[1]) - CENTER[1]
    materials = np.full(MAP_CELLS, -1, np.int64)
    things = np.zeros(MAP_CELLS, np.int64)
    x, y = max(left, 0), max(top, 0)
    inside = slice(x, left + MAP_CELLS[0]), slice(y, top + MAP_CELLS[1])
    shape = world._mat_map[inside].shape
    part = slice(x - left, x - left + shape[0]), slice(y - top, y - top + shape[1])
    materials[part] = world._mat_map[inside]
    things[part] = world._obj_map[inside]
    return materials, things


@functools.cache
def tile(material: str | None, thing: str | None = None) -> Frame:
    """A cell in full daylight, (7, 7, 3), x first: a material, or `OUTSIDE`, and what stands on it, by its texture."""
    canvas = np.full((UNIT, UNIT, 3), 127, np.uint8)
    if material != OUTSIDE:
        engine._draw(canvas, (0, 0), _textures().get(material, (UNIT, UNIT)))
    if thing is not None:
        engine._draw_alpha(canvas, (0, 0), _textures().get(thing, (UNIT, UNIT)))
    return canvas


@functools.cache
def item_tile(item: str, amount: int) -> Frame:
    """A cell of the inventory, (7, 7, 3), x first."""
    return np.asarray(engine.ItemView(_textures(), [1, 1])({item: amount}, (UNIT, UNIT)))


@functools.cache
def _textures() -> Any:
    return engine.Textures(constants.root / "assets")


@functools.cache
def _material_tiles(names: tuple[str | None, ...]) -> Frame:
    """The tiles by the number of their material, and `OUTSIDE` last."""
    return np.stack([tile(name) for name in (*names, OUTSIDE)])


def _joined(tiles: Frame) -> Frame:
    """(across, down, 7, 7, 3) to (across * 7, down * 7, 3)."""
    return tiles.swapaxes(1, 2).reshape(tiles.shape[0] * UNIT, tiles.shape[1] * UNIT, 3)
