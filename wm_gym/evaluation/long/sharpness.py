"""Sharpness: how much detail frames have. Blur lowers it, noise raises it: read it as a ratio to real frames."""

import numpy as np
from jaxtyping import UInt8


def sharpness(frames: UInt8[np.ndarray, "frames height width 3"]) -> float:
    """The standard deviation of the Laplacian of the light, in 8-bit levels, mean over the frames; 0 for flat ones."""
    light = frames.astype(np.float32).mean(-1)
    middle = light[:, 1:-1, 1:-1]
    around = light[:, :-2, 1:-1] + light[:, 2:, 1:-1] + light[:, 1:-1, :-2] + light[:, 1:-1, 2:]
    return float((around - 4 * middle).std(axis=(1, 2)).mean())
