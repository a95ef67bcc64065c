"""Reads the places of balls off a frame's pixels alone: the middle of each ball's colour."""

from typing import Any

import numpy as np

from envs.balls.drawing import COLOURS, FRAME_SIZE, GROUND
from envs.twin import Frame

_NOISE = 0.25  # smaller shares of a pixel are taken for none
_LEAST_AREA = 30.0  # pixels: half of the smallest ball's
_SPREAD = 1.35  # of a disc's own, beyond which colour is no ball

_SHARES = np.linalg.pinv(np.array(COLOURS, np.float64) - GROUND)  # (3, 2)
_GRID = np.stack(np.meshgrid(np.arange(FRAME_SIZE), np.arange(FRAME_SIZE)), -1) + 0.5  # x, y


def read_state(frame: Frame) -> dict[str, Any]:
    """The state that a frame (64, 64, 3) shows: `first` and `second` are pixels, x and y; None where there is no disc.

    Raises:
        ValueError: `frame` has another shape or dtype.
    """
    shape = (FRAME_SIZE, FRAME_SIZE, 3)
    if frame.shape != shape or frame.dtype != np.uint8:
        raise ValueError(f"frame must be a uint8 array of shape {shape}, got {frame.dtype} {frame.shape}")
    shares = ((frame - np.array(GROUND, np.float64)) @ _SHARES).clip(0.0, 1.0)
    shares[shares < _NOISE] = 0.0
    return {"first": _middle(shares[..., 0]), "second": _middle(shares[..., 1])}


def _middle(shares: np.ndarray) -> list[float] | None:
    area = float(shares.sum())
    if area < _LEAST_AREA:
        return None
    middle = (shares[..., None] * _GRID).sum((0, 1)) / area
    spread = float((shares * ((_GRID - middle) ** 2).sum(-1)).sum() / area)
    if spread > _SPREAD * area / (2 * np.pi):  # a disc of area A spreads by A / 2 pi
        return None
    return [float(each) for each in middle]
