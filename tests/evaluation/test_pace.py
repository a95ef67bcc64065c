"""The pace of a model."""

import numpy as np

from wm_gym.evaluation.pace import measure_step_seconds
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel


def test_more_denoising_takes_longer(random_model: WorldModel) -> None:
    clip = np.zeros((1, 64, 64, 3), np.uint8)
    once, often = (
        measure_step_seconds(random_model, clip, "wait", sampling=StepArguments(num_denoising_steps=steps), num_steps=5)
        for steps in (1, 32)
    )
    assert 0 < once < often
