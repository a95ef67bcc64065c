"""What the info of a step says, of one world or of a batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wm_gym.world_model import StepOutput


def as_array(values: Tensor, dtype: type[Any]) -> NDArray[Any]:
    """An array of its own."""
    return values.cpu().numpy().astype(dtype)


def step_values(output: StepOutput, max_uncertainty: float | None = None) -> dict[str, Any]:
    """What a step says of each world, in the types of `gymnasium.vector.SyncVectorEnv` over `WorldModelEnv`."""
    rewards = np.zeros(output.frames.shape[:2], np.float32)
    rewards[:, -1] = as_array(output.reward, np.float32)  # the model judges a step as a whole
    values = {
        "rewards": rewards,
        "termination_probability": as_array(output.termination_probability, np.float64),
        "uncertainty": as_array(output.uncertainty, np.float64),
    }
    if max_uncertainty is not None:
        values["uncertainty_stop"] = ~(values["uncertainty"] <= max_uncertainty)  # nor where it is NaN
    return values


def step_info(output: StepOutput, max_uncertainty: float | None) -> dict[str, Any]:
    """The info of one world: `rewards` a frame, and plain numbers."""
    values = step_values(output, max_uncertainty)
    return {name: value[0] if name == "rewards" else value[0].item() for name, value in values.items()}
