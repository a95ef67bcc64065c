"""Noise levels: sigma in [0, 1], 1 is pure noise; x_sigma = (1 - sigma) clean + sigma noise (flow matching)."""

import torch
from jaxtyping import Float
from torch import Tensor


def shift_sigma(sigma: Float[Tensor, "*n"], shift: float) -> Float[Tensor, "*n"]:
    """Move noise levels towards 1: shift s / (1 + (shift - 1) s) (SD3, arXiv 2403.03206, section 5.3.2)."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sampling_sigmas(num_denoising_steps: int, shift: float) -> list[float]:
    """The schedule from 1 down to 0, with `num_denoising_steps` + 1 entries.

    Raises:
        ValueError: `num_denoising_steps` below 1.
    """
    if num_denoising_steps < 1:
        raise ValueError(f"num_denoising_steps must be at least 1, got {num_denoising_steps}")
    uniform = torch.linspace(1, 0, num_denoising_steps + 1, dtype=torch.float64)
    return [float(sigma) for sigma in shift_sigma(uniform, shift)]
