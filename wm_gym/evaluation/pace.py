"""Pace: how long a step of one world takes."""

import time
from statistics import median

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.dreaming import dream_steps, stack_clips
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

_WARM_UP_STEPS = 3


def measure_step_seconds(
    model: WorldModel,
    clip: UInt8[np.ndarray, "frames height width channel"],
    text: str,
    *,
    sampling: StepArguments,
    num_steps: int = 24,
) -> float:
    """Returns the median wall seconds of a step at batch size 1, the frames' way to this process included."""
    starts = stack_clips([clip], model.kept_frames)
    seconds = []
    begin = time.perf_counter()
    for output in dream_steps(model, starts, [0], [[text] * (_WARM_UP_STEPS + num_steps)], sampling):
        output.frames.cpu()
        seconds.append(time.perf_counter() - begin)
        begin = time.perf_counter()
    return median(seconds[_WARM_UP_STEPS:])
