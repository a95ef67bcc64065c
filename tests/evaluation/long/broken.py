"""Real windows, and what breaks them: the three ways in which every metric is tried."""

import numpy as np


def frozen(windows: list[np.ndarray]) -> list[np.ndarray]:
    """Each stands still on its first frame."""
    return [np.repeat(window[:1], len(window), axis=0) for window in windows]


def shuffled(windows: list[np.ndarray]) -> list[np.ndarray]:
    """Each frame comes from another world than the one before it."""
    return [
        np.stack([windows[(row + step) % len(windows)][step] for step in range(len(windows[row]))])
        for row in range(len(windows))
    ]


def noise(windows: list[np.ndarray]) -> list[np.ndarray]:
    """Every pixel is drawn uniformly."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, window.shape, dtype=np.uint8) for window in windows]


def blurred(windows: list[np.ndarray]) -> list[np.ndarray]:
    """Means over 5x5 pixels."""
    return [_box(window) for window in windows]


def _box(window: np.ndarray) -> np.ndarray:
    values = window.astype(np.float64)
    for axis in (1, 2):
        values = np.mean([np.roll(values, shift, axis) for shift in range(-2, 3)], axis=0)
    return values.astype(np.uint8)


BROKEN = {"frozen": frozen, "shuffled": shuffled, "noise": noise}
