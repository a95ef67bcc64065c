"""Clips that teach nothing: nothing happens, everything flickers, or only the camera moves (PAN, data pipeline)."""

import numpy as np
from jaxtyping import Float64, UInt8

from wm_gym.data.videos.config import Flaw, VideoConfig

_BLOCK = 8  # pixels of a thumbnail
_CORNER = 1.0  # squared brightness a pixel in a block's weakest direction; below, its flow is not known
_LEAST_BLOCKS = 16  # of 64; of fewer, a moving thing looks like a moving camera
_STANDING = 0.05  # pixels
_MOST_PAIRS = 16  # of frames, spread over a clip

Grey = Float64[np.ndarray, "side side"]
Rows = Float64[np.ndarray, "blocks 2"]


def find_flaw(thumbnails: UInt8[np.ndarray, "time side side 3"], config: VideoConfig) -> Flaw | None:
    """The first flaw of a clip that is not to be kept."""
    if "static" not in config.keep and largest_change(thumbnails) < config.static_change:
        return "static"
    if "restless" not in config.keep and mean_difference(thumbnails) > config.restless_difference:
        return "restless"
    if "trivial" not in config.keep and camera_share(thumbnails) > config.trivial_share:
        return "trivial"
    return None


def largest_change(thumbnails: UInt8[np.ndarray, "time side side 3"]) -> float:
    """How far the pixel that changes most is from its darkest to its brightest, in [0, 255]."""
    return float((thumbnails.max(axis=0) - thumbnails.min(axis=0)).max())


def mean_difference(thumbnails: UInt8[np.ndarray, "time side side 3"]) -> float:
    """The mean difference of neighbouring frames, in [0, 255]; 0 of one frame."""
    differences = np.abs(np.diff(thumbnails.astype(np.int16), axis=0))
    return float(differences.mean()) if len(differences) else 0.0


def camera_share(thumbnails: UInt8[np.ndarray, "time side side 3"]) -> float:
    """The share, in [0, 1], of a picture's textured blocks that move as a pan and zoom would; the median frame's.

    Each block's flow is Lucas and Kanade's between frames 1, 2 or 4 apart, whichever tells most. It holds up to two
    pixels of the thumbnail; of faster cameras less is found. Where most blocks stand, so does the camera: 0.
    """
    grey = _blurred(thumbnails.astype(np.float64).mean(axis=-1))
    shares = [0.0]
    for stride in (1, 2, 4):
        if len(grey) > stride:
            firsts = np.unique(np.linspace(0, len(grey) - 1 - stride, _MOST_PAIRS).astype(int))
            shares.append(float(np.median([_moving_share(grey[first], grey[first + stride]) for first in firsts])))
    return max(shares)


def _moving_share(before: Grey, after: Grey) -> float:
    places, flows = _block_flows(before, after)
    if len(flows) < _LEAST_BLOCKS:
        return 0.0
    camera = _fit_camera(places, flows)
    if np.sqrt((camera**2).sum(axis=1).mean()) < _STANDING:
        return 0.0
    error, size = np.linalg.norm(flows - camera, axis=1), np.linalg.norm(camera, axis=1)
    return float((error < 0.3 * size + _STANDING).mean())


def _block_flows(before: Grey, after: Grey) -> tuple[Rows, Rows]:
    """The places, in [-1, 1], of the blocks with corners, and how many (rows, columns) each moved."""
    rows, columns = np.gradient((before + after) / 2)
    change = after - before
    products = [_block_means(each) for each in (rows * rows, columns * columns, rows * columns)]
    sums = [_block_means(each) for each in (rows * change, columns * change)]
    (a, b, c), (p, q) = products, sums
    determinant = a * b - c * c
    weakest = (a + b) / 2 - np.sqrt(((a - b) / 2) ** 2 + c * c)  # the smaller eigenvalue
    found = weakest > _CORNER
    side = np.linspace(-1, 1, len(a))
    places = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)[found]
    return places, np.stack([c * q - b * p, c * p - a * q], axis=-1)[found] / determinant[found][:, None]


def _fit_camera(places: Rows, flows: Rows) -> Rows:
    """The flow at each place of one shift and one zoom that most blocks follow."""
    kept = np.ones(len(flows), np.bool_)
    shift, zoom = np.median(flows, axis=0), 0.0
    for _ in range(5):
        error = np.linalg.norm(flows - shift - zoom * places, axis=1)
        kept = error <= np.median(error)
        centred = places[kept] - places[kept].mean(axis=0)
        zoom = float((centred * flows[kept]).sum() / max(float((centred**2).sum()), 1e-9))
        shift = (flows[kept] - zoom * places[kept]).mean(axis=0)
    return np.asarray(shift + zoom * places)


def _block_means(values: Grey) -> Float64[np.ndarray, "blocks blocks"]:
    count = len(values) // _BLOCK
    return np.asarray(values.reshape(count, _BLOCK, count, _BLOCK).mean(axis=(1, 3)))


def _blurred(grey: Float64[np.ndarray, "time side side"]) -> Float64[np.ndarray, "time side side"]:
    """[1 2 1] / 4 twice along both axes, so that gradients reach as far as shifts."""
    for axis in (1, 2, 1, 2):
        widths = [(1, 1) if each == axis else (0, 0) for each in range(3)]
        padded = np.moveaxis(np.pad(grey, widths, mode="edge"), axis, 0)
        grey = np.moveaxis((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4, 0, axis)
    return grey
