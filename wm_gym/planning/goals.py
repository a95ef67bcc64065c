"""What a planner wants: rewards on the way, and the worth of where it ends up."""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wm_gym.planning.critics import Critic, judge
from wm_gym.step_output import StepOutput
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState


@runtime_checkable
class Goal(Protocol):
    """Scores imagined futures. A value function of one's own fits in as `values`."""

    def rewards(self, output: StepOutput) -> Float[Tensor, "batch"]:
        """What a step earns in each world."""
        ...

    def values(self, state: WorldState) -> Float[Tensor, "batch"]:
        """What it is worth to be in each world once a plan is over; it is discounted like a reward of the next step."""
        ...


@dataclass(frozen=True)
class RewardGoal:
    """The reward that the model's head predicts. Where a plan ends is worth nothing more."""

    def rewards(self, output: StepOutput) -> Float[Tensor, "batch"]:
        """The head's."""
        return output.reward

    def values(self, state: WorldState) -> Float[Tensor, "batch"]:
        """Zeros."""
        return torch.zeros(state.batch_size, device=state.seeds.device)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageGoal:
    """An image to make true: exp(-distance / scale), 1 at the image itself, where a plan is over.

    Attributes:
        latents: the image encoded, the chunk's frames alike.
        scale: distance, the root mean square over the latents, at which the worth is 1/e.
    """

    latents: Float[Tensor, "frames channel h w"]
    scale: float = 0.2

    @classmethod
    @torch.no_grad()
    def of(cls, model: WorldModel, image: UInt8[np.ndarray, "height width 3"], scale: float = 0.2) -> "ImageGoal":
        """The goal that `image` shows.

        Raises:
            ValueError: the image does not fit the model, or the scale is not positive.
        """
        if not 0 < scale < math.inf:
            raise ValueError(f"scale must be positive and finite, got {scale}")
        frames = np.repeat(np.asarray(image)[None, None], model.card.chunk_frames, axis=1)
        state = model.reset(frames, seeds=[0])
        return cls(latents=state.latents[0, -model.card.chunk_frames :], scale=scale)

    def rewards(self, output: StepOutput) -> Float[Tensor, "batch"]:
        """Zeros."""
        return torch.zeros_like(output.reward)

    def values(self, state: WorldState) -> Float[Tensor, "batch"]:
        """How near each world is, in (0, 1]."""
        seen = state.latents[:, -len(self.latents) :]
        distance = (seen - self.latents.to(seen)).pow(2).flatten(1).mean(dim=1).sqrt()
        return (-distance / self.scale).exp()


@dataclass(frozen=True, kw_only=True, eq=False)
class TextGoal:
    """A text to make true, judged by a critic where a plan is over.

    Attributes:
        text: what shall hold, as "the door is open".
        critic: scores pictures by the text.
    """

    text: str
    critic: Critic

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("text must say what shall hold, got an empty one")

    def rewards(self, output: StepOutput) -> Float[Tensor, "batch"]:
        """Zeros."""
        return torch.zeros_like(output.reward)

    def values(self, state: WorldState) -> Float[Tensor, "batch"]:
        """The critic's scores of the last frames.

        Raises:
            ValueError: they are not a finite number a picture.
        """
        scores = judge(self.critic, state.frames[:, -1].cpu().numpy(), self.text)
        return torch.from_numpy(scores).to(state.seeds.device)
