"""PSNR and SSIM."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from wm_gym.evaluation.pixels import MAX_PSNR, psnr, squared_errors, ssim

SHAPE = (3, 2, 16, 24, 3)  # time, frames, height, width, channel


@pytest.fixture
def chunks() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)


def test_squared_error_of_a_constant_shift() -> None:
    dark, bright = np.full(SHAPE, 10, dtype=np.uint8), np.full(SHAPE, 250, dtype=np.uint8)
    assert squared_errors(dark, bright).tolist() == [240.0**2] * 3


def test_one_chunk_is_compared_with_all(chunks: np.ndarray) -> None:
    assert squared_errors(chunks, chunks[:1])[0] == 0.0
    assert squared_errors(chunks, chunks[:1])[1] == squared_errors(chunks[1:2], chunks[:1])[0]


def test_psnr_equals_skimage(chunks: np.ndarray) -> None:
    expected = peak_signal_noise_ratio(chunks[0], chunks[1], data_range=255)
    assert psnr(squared_errors(chunks[:1], chunks[1:2]))[0] == pytest.approx(expected, abs=1e-4)


def test_psnr_of_equal_frames_is_capped() -> None:
    assert psnr(np.zeros(1))[0] == pytest.approx(MAX_PSNR)


def test_ssim_of_equal_chunks_is_one(chunks: np.ndarray) -> None:
    assert ssim(chunks[0], chunks[0]) == pytest.approx(1.0)


def test_ssim_of_noise_is_near_zero(chunks: np.ndarray) -> None:
    assert abs(ssim(chunks[0], chunks[1])) < 0.1
