"""Distances between frames: mean squared error, PSNR, SSIM."""

import numpy as np
from jaxtyping import Float, UInt8

try:
    from skimage.metrics import structural_similarity
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'scikit-image must be installed to evaluate; pip install "wm-gym[evaluate]" ({error})'
    ) from error

PEAK = 255.0
MAX_PSNR = 100.0  # dB; stands for "equal", where the formula has no value


def squared_errors(
    observations: UInt8[np.ndarray, "time frames height width channel"],
    others: UInt8[np.ndarray, "#time frames height width channel"],
) -> Float[np.ndarray, " time"]:
    """Returns the mean squared error of each chunk, in squared 8-bit levels."""
    difference = observations.astype(np.float32) - others.astype(np.float32)
    return np.asarray(np.mean(np.square(difference), axis=(1, 2, 3, 4)), dtype=np.float64)


def psnr(squared_error: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Returns 10 log10(255^2 / error) in dB, at most `MAX_PSNR`."""
    floor = PEAK**2 / 10 ** (MAX_PSNR / 10)
    return np.asarray(10.0 * np.log10(PEAK**2 / np.maximum(squared_error, floor)))


def ssim(
    chunk: UInt8[np.ndarray, "frames height width channel"],
    other: UInt8[np.ndarray, "frames height width channel"],
) -> float:
    """Returns the structural similarity, mean over the chunk's frames; 1 where the frames are equal."""
    pairs = zip(chunk, other, strict=True)
    return float(np.mean([structural_similarity(one, two, channel_axis=-1) for one, two in pairs]))
