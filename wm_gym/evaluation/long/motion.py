"""Motion: how much changes from frame to frame. A frozen world has none; read it as a ratio to real frames."""

import numpy as np
from jaxtyping import UInt8


def motion(frames: UInt8[np.ndarray, "time height width 3"]) -> float:
    """The mean absolute difference of successive frames in 8-bit levels; NaN for fewer than two."""
    if len(frames) < 2:
        return float("nan")
    levels = frames.astype(np.float32)
    return float(np.abs(levels[1:] - levels[:-1]).mean())
