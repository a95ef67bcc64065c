"""Causal Swin-DPM: what a window of chunks at staggered noise depends on, and its noise levels.

PAN (arXiv 2511.09057, section 3.3.3): a window holds a conditioning frame and two chunks. The first goes from half
noise to clean while the second goes from noise to half noise; then the window moves on by one chunk, and the last frame
of the chunk that left is the conditioning frame. So a chunk sees its past blurred while it is vague itself, and sharp
only where it touches it, which keeps it from copying small mistakes. (Swin-DPM itself: The Matrix, arXiv 2412.03568.)

A place on a chunk's way from noise to clean is its index in [0, 1], 1 = noise; `swin_level` gives the sigma there.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wm_gym.decoder.sigmas import shift_sigma

StaggerSpace = Literal["index", "sigma"]
ConditionSees = Literal["itself", "first_chunk"]


@dataclass(frozen=True, kw_only=True)
class SwinConfig:
    """What PAN fixes, and what it leaves open.

    Attributes:
        condition_sigma: noise level of the conditioning frame, in training and sampling (PAN, section 3.3.5).
        stagger_space: where the second chunk is half a way behind the first. "index": in steps of the schedule, before
            the shift, as "half of the denoising steps" reads; with a shift of 5 the first chunk then begins at sigma
            0.83. "sigma": in noise, so that it begins at 0.5.
        condition_sees: what the conditioning frame attends to, which the paper does not say: "itself", or also the
            "first_chunk", whose action is known. The second it never sees: through it the first would.
        staggered: False trains and samples every chunk as a world's first one, alone behind its conditioning frame.

    Raises:
        ValueError: a value out of its range.
    """

    condition_sigma: float = 0.055
    stagger_space: StaggerSpace = "index"
    condition_sees: ConditionSees = "itself"
    staggered: bool = True

    def __post_init__(self) -> None:
        """Check the ranges: the config is also read from files."""
        if not 0 <= self.condition_sigma < 1:
            raise ValueError(f"condition_sigma must be at least 0 and below 1, got {self.condition_sigma}")
        choices = {"stagger_space": ("index", "sigma"), "condition_sees": ("itself", "first_chunk")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be {' or '.join(allowed)}, got {getattr(self, name)!r}")


def swin_level(index: Float[Tensor, "*n"], shift: float, space: StaggerSpace) -> Float[Tensor, "*n"]:
    """The sigma at an index; in "sigma" space each half of the way has the shifted schedule in one half of the noise.

    So level(index + 0.5) - level(index) is 0.5 for every index up to 0.5 in that space.
    """
    if space == "index":
        return shift_sigma(index, shift)
    upper = (index > 0.5).to(index)
    return (upper + shift_sigma(2 * index - upper, shift)) / 2


def swin_sigmas(num_denoising_steps: int, shift: float, space: StaggerSpace) -> list[float]:
    """The schedule of a chunk from 1 to 0, half of it in each place of the window.

    Raises:
        ValueError: `num_denoising_steps` is odd or below 2.
    """
    if num_denoising_steps < 2 or num_denoising_steps % 2:
        raise ValueError(
            f"num_denoising_steps must be even and at least 2 to sample by swin, got {num_denoising_steps}"
        )
    index = torch.linspace(1, 0, num_denoising_steps + 1, dtype=torch.float64)
    return [float(sigma) for sigma in swin_level(index, shift, space)]


def training_levels(
    uniform: Float[Tensor, "batch windows slots"],
    rounds: Int64[Tensor, "windows"],
    num_rounds: int,
    swin: SwinConfig,
    shift: float,
    independent: bool = False,
) -> tuple[Float[Tensor, "batch windows slots"], Bool[Tensor, "batch windows slots"]]:
    """Noise levels to train the windows of a segment at, and which of their chunks count.

    The window of round k holds the chunks of rounds k and k + 1. The first lies at an index u in [0, 0.5], the second
    at u + 0.5. Exception: a world's first chunk, here a segment's, goes the whole way in the first place, so that its u
    is in [0, 1]; beyond 0.5 there is no second chunk yet. The last round has no successor.

    Args:
        uniform: numbers in [0, 1); one slot where the window is not staggered, else two.
        rounds: the round of each window.
        num_rounds: of the segment.
        swin: the window.
        shift: shift of the noise levels.
        independent: diffusion forcing (arXiv 2407.01392): a level of its own for each chunk, in place of the stagger.

    Returns:
        The levels, and True for a chunk that is trained on.
    """
    counts = torch.ones_like(uniform, dtype=torch.bool)
    if uniform.shape[2] == 1:
        return shift_sigma(uniform, shift), counts
    counts[:, rounds == num_rounds - 1, 1] = False
    if independent:
        return swin_level(uniform, shift, swin.stagger_space), counts
    first = torch.where(rounds == 0, uniform[:, :, 0], uniform[:, :, 0] / 2)
    index = torch.stack([first, first + 0.5], dim=2)
    counts &= index <= 1
    return swin_level(index.clamp(max=1), shift, swin.stagger_space), counts
