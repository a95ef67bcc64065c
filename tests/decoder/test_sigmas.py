"""The schedule of noise levels."""

import pytest
import torch

from tests.tolerances import assert_near
from wm_gym.decoder.sigmas import sampling_sigmas, shift_sigma


@pytest.mark.parametrize("num_denoising_steps", [1, 2, 7, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
def test_sigmas_fall_strictly_from_one_to_zero(num_denoising_steps: int, shift: float) -> None:
    sigmas = sampling_sigmas(num_denoising_steps, shift)
    assert len(sigmas) == num_denoising_steps + 1
    assert (sigmas[0], sigmas[-1]) == (1.0, 0.0)
    assert all(before > after for before, after in zip(sigmas, sigmas[1:], strict=False))


def test_shift_of_one_changes_nothing() -> None:
    sigma = torch.linspace(0, 1, 11)
    assert_near(shift_sigma(sigma, 1.0), sigma)


def test_shift_moves_levels_towards_noise() -> None:
    assert shift_sigma(torch.tensor([0.5]), 3.0).item() == pytest.approx(0.75)


@pytest.mark.parametrize("number", [0, -1])
def test_no_step_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"num_denoising_steps must be at least 1, got {number}"):
        sampling_sigmas(number, 1.0)
