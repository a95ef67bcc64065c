"""Reads Crafter's visible state off a frame's pixels, by the nearest of all tiles that Crafter can draw.

The reader shares nothing with the simulator but the tile painter. It first tells how bright the day is, for the light
changes every tile; below `DARK`, where the noise of the night sets in, it reads the player and the inventory only.
"""

import functools
import itertools
from typing import Any

import numpy as np
import numpy.typing as npt
from crafter import constants
from PIL import Image, ImageEnhance

from envs.crafter.starts import DAY_STEPS
from envs.crafter.view import CENTER, ITEM_CELLS, MAP_CELLS, OUTSIDE, UNIT, item_tile, tile, window

Floats = npt.NDArray[np.float64]

DARK = 0.5  # daylight below which Crafter draws noise
SYMBOLS = {
    **{"water": "~", "grass": ".", "stone": "#", "path": "_", "sand": ":", "tree": "T", "lava": "!"},
    **{"coal": "c", "iron": "i", "diamond": "d", "table": "t", "furnace": "f", OUTSIDE: " "},
}
"""Material -> its character in the state."""

DIRECTIONS = ("left", "right", "up", "down")
ASLEEP = "asleep"
_FRAME_SHAPE = (64, 64, 3)
_PLAYER_TEXTURES = [*(f"player-{direction}" for direction in DIRECTIONS), "player-sleep"]
_CENTER_INDEX = CENTER[1] * MAP_CELLS[0] + CENTER[0]
_NIGHT_TINT = np.array((0, 16, 64)) / 2  # Crafter's own
_SLEEP_TINT = np.array((0, 0, 16)) / 2
_CANDIDATES = 6  # daylights compared with all pixels


def true_state(world: Any, player: Any) -> dict[str, Any]:
    """What a frame of Crafter shows, as plain JSON values.

    Cells are `"x,y"` in the view, x to the right and y down from its top left. `materials` has a character of `SYMBOLS`
    a cell, row by row; `creatures` has the names of Crafter's textures. Both are None in the dark. `player` is where
    the player looks, or "asleep". `inventory` leaves out what there is none of.
    """
    dark = bool(world.daylight < DARK)
    materials, things = window(world, player.pos)
    names = [OUTSIDE if number < 0 else world._mat_names[number] for number in materials.T.reshape(-1).tolist()]
    textures = {f"{x},{y}": world._objects[things[x, y]].texture for y, x in np.argwhere(things.T)}
    facing = textures.pop(f"{CENTER[0]},{CENTER[1]}").removeprefix("player-")
    return {
        "dark": dark,
        "player": ASLEEP if facing == "sleep" else facing,
        "num_players": 1,
        "materials": None if dark else "".join(SYMBOLS[name] for name in names),
        "creatures": None if dark else textures,
        "inventory": {item: int(amount) for item, amount in player.inventory.items() if amount > 0},
    }


def read_state(frame: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """The state that a frame shows, with the keys of `true_state`.

    `num_players` counts the cells that look like a player, and `player` is None where the middle does not: so a broken
    frame never reads equal to a sound state.

    Args:
        frame: uint8 (64, 64, 3).

    Raises:
        ValueError: `frame` has another shape or dtype.
    """
    if not isinstance(frame, np.ndarray) or frame.shape != _FRAME_SHAPE or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise ValueError(f"frame must be a uint8 array of shape {_FRAME_SHAPE}, got {got}; pass one frame of a chunk")
    split = MAP_CELLS[1] * UNIT
    cells = _cells(frame[:split], MAP_CELLS)
    asleep, daylight = _read_light(cells)
    nearest = [_tiles()[code] for code in _nearest(cells, asleep, daylight).tolist()]
    dark = daylight < DARK
    players = [_CENTER_INDEX] if dark else range(len(cells))
    facing = nearest[_CENTER_INDEX][1]
    return {
        "dark": dark,
        "player": _player(facing),
        "num_players": sum(_player(nearest[index][1]) is not None for index in players),
        "materials": None if dark else "".join(SYMBOLS[material] for material, _ in nearest),
        "creatures": None if dark else _creatures(nearest),
        "inventory": _read_inventory(_cells(frame[split : split + ITEM_CELLS[1] * UNIT], ITEM_CELLS)),
    }


def _player(texture: str | None) -> str | None:
    if texture not in _PLAYER_TEXTURES:
        return None
    return ASLEEP if texture == "player-sleep" else texture.removeprefix("player-")


def _creatures(tiles: list[tuple[str, str | None]]) -> dict[str, str]:
    found = {f"{index % MAP_CELLS[0]},{index // MAP_CELLS[0]}": thing for index, (_, thing) in enumerate(tiles)}
    return {cell: thing for cell, thing in found.items() if thing is not None and _player(thing) is None}


def _read_inventory(cells: Floats) -> dict[str, int]:
    distances = ((cells[: len(constants.items), None] - _item_templates()) ** 2).sum(-1)
    amounts = distances.argmin(1).tolist()
    return {item: amount for item, amount in zip(constants.items, amounts, strict=True) if amount}


def _read_light(cells: Floats) -> tuple[bool, float]:
    """Whether the player sleeps, and the daylight, one of those that Crafter's clock can show.

    The middle is almost free of noise and gives a first guess; then the light that fits all cells best is found in
    turns with their tiles.
    """
    middle = cells[_CENTER_INDEX : _CENTER_INDEX + 1]
    guesses = itertools.product((False, True), _daylights()[::10])
    asleep, daylight = min(guesses, key=lambda guess: float(_distances(middle, *guess).min()))
    for _ in range(3):
        codes = _nearest(cells, asleep, daylight)
        day, night = _lit(asleep, 1.0)[codes], _lit(asleep, 0.0)[codes]
        span = day - night
        daylight = float((span * (cells - night)).sum() / (span * span).sum())
        near = sorted(_daylights(), key=lambda value: abs(value - daylight))[:_CANDIDATES]
        daylight = min(near, key=lambda value: float(((cells - _lit(asleep, value)[codes]) ** 2).sum()))
    return asleep, daylight


def _nearest(cells: Floats, asleep: bool, daylight: float) -> npt.NDArray[np.int64]:
    return np.asarray(_distances(cells, asleep, daylight).argmin(1))


def _distances(cells: Floats, asleep: bool, daylight: float) -> Floats:
    """Squared distances (cells, tiles) to all tiles in a light."""
    lit = _lit(asleep, daylight)
    return np.asarray((cells**2).sum(1)[:, None] + (lit**2).sum(1) - 2 * cells @ lit.T)


@functools.cache
def _daylights() -> list[float]:
    """All daylights of a day, darkest first, by the formula of `crafter.Env`."""
    hours = np.arange(DAY_STEPS) / DAY_STEPS + 0.3
    return sorted(set((1 - np.abs(np.cos(np.pi * hours)) ** 3).round(9).tolist()))


@functools.cache
def _tiles() -> list[tuple[str, str | None]]:
    """All pairs of a material and a texture on it that Crafter can draw."""
    ground = list(constants.walkable)
    tiles: list[tuple[str, str | None]] = [(material, None) for material in SYMBOLS]
    tiles += itertools.product([*ground, "lava"], _PLAYER_TEXTURES)
    tiles += itertools.product(ground, ("cow", "zombie", "skeleton"))
    tiles += itertools.product([*ground, "water", "lava"], (f"arrow-{direction}" for direction in DIRECTIONS))
    return [*tiles, ("grass", "plant"), ("grass", "plant-ripe")]


@functools.cache
def _lit(asleep: bool, daylight: float) -> Floats:
    """Pixels of all tiles in a light, rounded as Crafter does but without noise, float64 (tiles, 147)."""
    day = np.concatenate([tile(*names).swapaxes(0, 1) for names in _tiles()])
    night = _faded(day, 0.4) / 2 + _NIGHT_TINT
    lit = daylight * day + (1 - daylight) * night
    if asleep:
        lit = _faded(lit.astype(np.uint8), 0.0) / 2 + _SLEEP_TINT
    return np.floor(lit).reshape(len(_tiles()), -1)


def _faded(picture: npt.NDArray[np.uint8], amount: float) -> npt.NDArray[np.uint8]:
    """The picture with that much of its colour."""
    return np.asarray(ImageEnhance.Color(Image.fromarray(picture)).enhance(amount))


@functools.cache
def _item_templates() -> Floats:
    """Pixels of no, one to nine of every item, float64 (items, 10, 147)."""
    pictures = [[item_tile(item, amount).swapaxes(0, 1) for amount in range(10)] for item in constants.items]
    return np.array(pictures, np.float64).reshape(len(constants.items), 10, -1)


def _cells(picture: npt.NDArray[np.uint8], shape: tuple[int, int]) -> Floats:
    """The tiles of a picture row by row, (cells, 147); `shape` is how many across and down."""
    across, down = shape
    tiles = picture[:, : across * UNIT].reshape(down, UNIT, across, UNIT, 3).swapaxes(1, 2)
    return tiles.reshape(across * down, -1).astype(np.float64)
