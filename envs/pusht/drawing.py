"""Draws the PushT world at 64x64: each colour's share of a pixel is measured on 4x4 points, so edges are smooth.

Every pixel is a mixture of at most four colours, those of `PALETTE`, by area. That is what the reader undoes.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.pusht.shapes import AGENT_RADIUS, GOAL, T_RADIUS, WALL, WORKSPACE, Point, Points, Pose, inside_t

FRAME_SIZE = 64
SCALE = WORKSPACE // FRAME_SIZE  # workspace pixels to a frame's pixel, along each axis
DETAIL = 4  # points to a frame's pixel, along each axis

Shares = npt.NDArray[np.float64]  # of each pixel, (64, 64), 0 to 1

PALETTE = {
    "floor": (244, 244, 240),
    "goal": (120, 205, 125),
    "block": (222, 98, 52),
    "agent": (40, 84, 220),
}
WALL_COLOUR = (70, 70, 78)


def draw(agent: Point, block: Pose) -> npt.NDArray[np.uint8]:
    """The frame, uint8 (64, 64, 3), in memory of its own: the pusher over the block over the goal."""
    picture = _BACKGROUND.copy()
    for name, shares in (("block", t_shares(block)), ("agent", disc_shares(agent))):
        picture += shares[..., None] * (np.array(PALETTE[name]) - picture)
    return np.rint(picture).astype(np.uint8)


def t_shares(pose: Pose) -> Shares:
    """How much of each pixel a T at `pose` fills."""
    return _shares(pose.centre, T_RADIUS, lambda points: inside_t(pose.unplace(points)))


def disc_shares(centre: Point) -> Shares:
    """How much of each pixel the pusher fills."""
    return _shares(centre, AGENT_RADIUS, lambda points: ((points - centre) ** 2).sum(-1) <= AGENT_RADIUS**2)


def _shares(centre: Point, radius: float, inside: Callable[[Points], npt.NDArray[np.bool_]]) -> Shares:
    """The share of the points of each pixel that are inside a thing, which is no larger than `radius`."""
    shares = np.zeros((FRAME_SIZE, FRAME_SIZE))
    low = [max(0, int((value - radius) // SCALE)) for value in centre]
    high = [min(FRAME_SIZE, int((value + radius) // SCALE) + 1) for value in centre]
    if low[0] >= high[0] or low[1] >= high[1]:
        return shares
    x, y = (
        (np.arange(first * DETAIL, last * DETAIL) + 0.5) * (SCALE / DETAIL)
        for first, last in zip(low, high, strict=True)
    )
    filled = inside(np.stack(np.meshgrid(x, y), -1))
    rows, columns = high[1] - low[1], high[0] - low[0]
    shares[low[1] : high[1], low[0] : high[0]] = filled.reshape(rows, DETAIL, columns, DETAIL).mean((1, 3))
    return shares


def _draw_background() -> npt.NDArray[np.float64]:
    floor = np.full((FRAME_SIZE, FRAME_SIZE, 3), PALETTE["floor"], np.float64)
    picture = floor + t_shares(GOAL)[..., None] * (np.array(PALETTE["goal"]) - floor)
    rim = WALL // SCALE
    framed = np.full_like(picture, WALL_COLOUR)
    framed[rim:-rim, rim:-rim] = picture[rim:-rim, rim:-rim]
    return framed


_BACKGROUND = _draw_background()
