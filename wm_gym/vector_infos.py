"""Infos of a batch as Gymnasium's vector envs give them: an array a name, and beside it the mask of who has it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from wm_gym.vector_arguments import Rows
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


def masked(values: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """Infos of some rows: zeros in the others, and a mask beside every name. No rows, no names."""
    infos: dict[str, Any] = {}
    for name, value in values.items() if rows.any() else ():
        infos[f"_{name}"] = rows.copy()
        if isinstance(value, Mapping):
            infos[name] = masked(value, rows)
        else:
            infos[name] = np.zeros_like(value)
            infos[name][rows] = value[rows]
    return infos


def finals(observations: NDArray[Any], values: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """The last observations and infos of rows that ended and have begun anew."""
    if not rows.any():
        return {}
    last = np.full(len(rows), None, dtype=object)
    for row in np.flatnonzero(rows):
        last[row] = observations[row].copy()
    return {
        "final_obs": last,
        "_final_obs": rows.copy(),
        "final_info": masked(values, rows),
        "_final_info": rows.copy(),
    }
