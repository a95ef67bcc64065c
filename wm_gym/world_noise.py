"""The chance in a step: a pure function of each world's seed and round, whoever shares the batch.

A fork therefore repeats its original, and a saved world goes on as if it had never stopped.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.world_state import WorldState

_PICTURE, _OUTCOME, _CONTEXT = 0, 1, 2  # top words of Philox's counter: streams that never meet


def world_noise(state: WorldState, shape: tuple[int, ...]) -> Float[Tensor, "batch *shape"]:
    """Standard normal noise for the next step's picture."""
    return _normal(state, shape, _PICTURE)


def latents_noise(state: WorldState) -> Float[Tensor, "batch kept channel h w"]:
    """Standard normal noise for the latents that the next step goes on from."""
    return _normal(state, tuple(state.latents.shape[1:]), _CONTEXT)


def outcome_noise(state: WorldState) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch"]]:
    """What turns the probabilities of the next step's outcome into a draw, uniform in [0, 1).

    Returns:
        Quantiles, at which the reward is read off its distribution. And thresholds: an end of probability p exceeds its
        own with probability p.
    """
    draws = np.stack([generator.random(2, dtype=np.float32) for generator in _generators(state, _OUTCOME)])
    quantiles, thresholds = torch.from_numpy(draws).to(state.latents).unbind(dim=1)
    return quantiles, thresholds


def _normal(state: WorldState, shape: tuple[int, ...], stream: int) -> Float[Tensor, "batch *shape"]:
    """Standard normal noise of a stream."""
    rows = [generator.standard_normal(shape, dtype=np.float32) for generator in _generators(state, stream)]
    return torch.from_numpy(np.stack(rows)).to(state.latents)


def _generators(state: WorldState, stream: int) -> list[np.random.Generator]:
    """A generator for the next step of each world."""
    return [
        np.random.Generator(np.random.Philox(key=[seed, number], counter=[0, 0, 0, stream]))
        for seed, number in zip(state.seeds.tolist(), state.rounds.tolist(), strict=True)
    ]
