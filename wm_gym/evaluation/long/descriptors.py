"""Descriptors of frames: colours on a coarse grid, and edges by direction on a coarser one. No weights, no training."""

import numpy as np
from jaxtyping import Float, UInt8

COLOUR_CELLS, EDGE_CELLS, DIRECTIONS = 8, 4, 4
EDGE_WEIGHT = 4.0  # edges are an order of magnitude fainter than colours

Frames = UInt8[np.ndarray, "frames height width 3"]


def describe(frames: Frames) -> Float[np.ndarray, "frames features"]:
    """A vector for each frame.

    Args:
        frames: Any size from 8x8 up.

    Returns:
        8x8x3 mean colours in [0, 1] and, on a 4x4 grid, the mean strength of edges in four directions.
    """
    colours = frames.astype(np.float32) / 255
    down, right = gradients(colours.mean(-1))
    strength, angle = np.hypot(right, down), np.arctan2(down, right)
    sectors = [strength * np.cos(angle - k * np.pi / DIRECTIONS) ** 2 for k in range(DIRECTIONS)]
    edges = np.stack(sectors, axis=-1)
    parts = [pool(colours, COLOUR_CELLS), EDGE_WEIGHT * pool(edges, EDGE_CELLS)]
    return np.concatenate([part.reshape(len(frames), -1) for part in parts], axis=1)


def gradients(
    light: Float[np.ndarray, "frames height width"],
) -> tuple[Float[np.ndarray, "frames height width"], Float[np.ndarray, "frames height width"]]:
    """The change of light from pixel to pixel, downwards and to the right; 0 along the last row and column."""
    down = np.diff(light, axis=1, append=light[:, -1:])
    right = np.diff(light, axis=2, append=light[:, :, -1:])
    return down, right


def pool(
    values: Float[np.ndarray, "frames height width channel"], cells: int
) -> Float[np.ndarray, "frames cells cells channel"]:
    """Means over a grid of cells; where the sides do not divide, some cells are a pixel larger."""
    for axis in (1, 2):
        edges = np.linspace(0, values.shape[axis], cells + 1).astype(int)
        sums = np.add.reduceat(values, edges[:-1], axis=axis)
        shape = [1, 1, 1, 1]
        shape[axis] = cells
        values = sums / np.diff(edges).reshape(shape)
    return values
