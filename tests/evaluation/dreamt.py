"""Dreams whose frames a test chooses; rewards and ends are the true ones."""

import numpy as np

from wm_gym.evaluation.dreaming import Dream
from wm_gym.evaluation.rollouts import RealRollout


def dreamt(real: RealRollout, observations: np.ndarray, uncertainties: np.ndarray | None = None) -> Dream:
    """A dream of these frames.

    Args:
        real: Whose rewards and ends it has, the ends without a doubt.
        observations: One chunk a step.
        uncertainties: One a step; 0 by default.
    """
    return Dream(
        observations=observations,
        rewards=real.rewards,
        terminated=real.terminated,
        termination_probabilities=real.terminated.astype(np.float32),
        uncertainties=np.zeros(real.num_steps, np.float32) if uncertainties is None else uncertainties,
    )
