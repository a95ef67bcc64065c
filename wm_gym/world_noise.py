"""The chance in a step: a pure function of each world's seed and round, whoever shares the batch.

A fork therefore repeats its original, and a saved world goes on as if it had never stopped.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.world_state import WorldState

_PICTURE, _OUTCOME = 0, 1  # top words of Philox's counter: streams that never meet


def world_noise(state: WorldState, shape: tuple[int, ...]) -> Float[Tensor, "batch *shape"]:
    """Standard normal noise for the next step's picture."""
    rows = [generator.standard_normal(shape, dtype=np.float32) for generator in _generators(state, _PICTURE)]
    return torch.from_numpy(np.stack(rows)).to(state.latents)


def outcome_noise(state: WorldState, num_rewards: int) -> tuple[Float[Tensor, "batch rewards"], Float[Tensor, "batch"]]:
    """What turns the heads' most likely outcome of the next step into a draw.

    Returns:
        Standard Gumbel noise, one a reward value: the argmax of logits + noise is a draw from softmax(logits) (Gumbel
        1954; Maddison et al., arXiv 1411.0030). And thresholds, uniform in [0, 1): a probability p exceeds its own with
        probability p.
    """
    generators = _generators(state, _OUTCOME)
    gumbel = np.stack([generator.gumbel(size=num_rewards) for generator in generators])
    thresholds = np.array([generator.random() for generator in generators])
    return torch.from_numpy(gumbel).to(state.latents), torch.from_numpy(thresholds).to(state.latents)


def _generators(state: WorldState, stream: int) -> list[np.random.Generator]:
    """A generator for the next step of each world."""
    return [
        np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, stream]))
        for seed, number in zip(state.seeds.tolist(), state.rounds.tolist(), strict=True)
    ]
