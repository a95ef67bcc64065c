"""How steps are drawn, checked before anything is loaded."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from wm_gym.decoder.guidance import Guidance
from wm_gym.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class StepArguments:
    """How `WorldModel.step` draws every step of an env or an evaluation; `WorldModelEnv` tells what each is.

    Attributes:
        num_denoising_steps: decoder calls a chunk; None takes the checkpoint's.
        temperature: scale of the initial noise; None takes the checkpoint's.
        context_noise: standard deviation of the noise on the latents that a step goes on from.
        guidance_scale: classifier-free guidance on the action; 1 is off.
        state_guidance_scale: the same on the latent state.
        sample_outcomes: draw rewards and ends.

    Raises:
        ValueError: a value out of its range.
    """

    num_denoising_steps: int | None = None
    temperature: float | None = None
    context_noise: float = 0.0
    guidance_scale: float = 1.0
    state_guidance_scale: float = 1.0
    sample_outcomes: bool = False

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_at_least("num_denoising_steps", self.num_denoising_steps, 1, whole=True)
        check_at_least("temperature", self.temperature, 0)
        for name in ("context_noise", "guidance_scale", "state_guidance_scale"):
            check_at_least(name, getattr(self, name), 0, optional=False)

    @property
    def guidance(self) -> Guidance | None:
        """On action and latent state; None where it is off."""
        guidance = Guidance(action_scale=self.guidance_scale, state_scale=self.state_guidance_scale)
        return None if guidance == Guidance() else guidance

    def check_model(self, model: WorldModel) -> None:
        """Check that a model can be stepped like this.

        Raises:
            ValueError: guidance under a sampling that takes none.
        """
        if self.guidance is not None and not model.sampler.takes_guidance:
            raise ValueError(
                f'guidance_scale and state_guidance_scale must be 1 under sampling "swin", got {self.guidance_scale:g} '
                f'and {self.state_guidance_scale:g}; make the env with sampling="autoregressive"'
            )

    def keywords(self) -> dict[str, Any]:
        """What `WorldModel.step` takes."""
        return {
            "num_denoising_steps": self.num_denoising_steps,
            "temperature": self.temperature,
            "context_noise": self.context_noise,
            "guidance": self.guidance,
            "sample_outcomes": self.sample_outcomes,
        }


def check_at_least(name: str, value: Any, least: int, *, whole: bool = False, optional: bool = True) -> None:
    """Check a number, which may be None where it is optional.

    Raises:
        ValueError: it is of another kind, below `least` or not finite.
    """
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if value is None and optional:
        return
    if not (isinstance(value, kinds) and math.isfinite(value) and value >= least):
        noun = "an integer" if whole else "a finite number"
        raise ValueError(f"{name} must be {noun} and at least {least}, got {value!r}; leave it out for the default")
