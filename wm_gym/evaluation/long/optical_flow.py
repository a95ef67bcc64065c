"""Optical flow between successive frames, by iterative Lucas-Kanade of scikit-image: small, and without weights."""

import numpy as np
from jaxtyping import Float, UInt8

try:
    from skimage.registration import optical_flow_ilk
    from skimage.transform import warp
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'scikit-image must be installed to evaluate; pip install "wm-gym[evaluate]" ({error})'
    ) from error

RADIUS = 4  # pixels around each that share its motion
WARPS = 1

Light = Float[np.ndarray, "height width"]
Flows = Float[np.ndarray, "pairs 2 height width"]  # pixels down, then pixels to the right


def lucas_kanade(frames: UInt8[np.ndarray, "time height width 3"]) -> Flows:
    """Where each pixel of a frame is in the next one, relative to where it is now.

    Where a picture is even nothing tells its motion, and the flow is whatever lies around.

    Args:
        frames: At least two.

    Raises:
        ValueError: There are fewer.
    """
    if len(frames) < 2:
        raise ValueError(f"frames must be at least 2, got {len(frames)}")
    light = _light(frames)
    pairs = zip(light[:-1], light[1:], strict=True)
    return np.stack([_flow(one, two) for one, two in pairs])


def unexplained(frames: UInt8[np.ndarray, "time height width 3"], flows: Flows) -> Float[np.ndarray, " pairs"]:
    """The light of a frame that its successor, moved back along the flow, leaves unexplained: mean |error|, 0 to 1."""
    light = _light(frames)
    rows, columns = np.meshgrid(*(np.arange(side) for side in light.shape[1:]), indexing="ij")
    moved = [
        warp(after, np.stack([rows + down, columns + right]), mode="edge", order=1)
        for after, (down, right) in zip(light[1:], flows, strict=True)
    ]
    return np.asarray(np.abs(np.stack(moved) - light[:-1]).mean(axis=(1, 2)), dtype=np.float64)


def _light(frames: UInt8[np.ndarray, "time height width 3"]) -> Float[np.ndarray, "time height width"]:
    return np.asarray(frames.astype(np.float32).mean(-1) / 255, dtype=np.float32)


def _flow(one: Light, two: Light) -> Float[np.ndarray, "2 height width"]:
    if np.array_equal(one, two):
        return np.zeros((2, *one.shape), np.float32)
    return np.asarray(optical_flow_ilk(one, two, radius=RADIUS, num_warp=WARPS), dtype=np.float32)
