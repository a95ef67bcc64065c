"""Small memories: banks of random rounds, and a transition that recalls."""

import torch
from jaxtyping import Float
from torch import Tensor

from tests.transition.transitions import NUM_ACTIONS, WIDTH, random_transition
from wm_gym.transition.memory_bank import MemoryBank, MemoryConfig, empty_bank, write_round
from wm_gym.transition.transition import Transition

SLOTS = 12
CONFIG = MemoryConfig(rounds=3, slots=SLOTS, latent_channels=2, latent_size=(4, 6))


def recalling_transition(history_rounds: int = 3, sink_rounds: int = 0, memory: MemoryConfig = CONFIG) -> Transition:
    """A transition with memory whose every parameter is random; equal arguments give equal weights."""
    return random_transition(1, history_rounds, sink_rounds, memory=memory)


def pictures(batch_size: int, num_rounds: int, seed: int = 0) -> Float[Tensor, "batch rounds frames channel h w"]:
    """Random latents, each unlike all others."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch_size, num_rounds, *CONFIG.latents, generator=generator) * 2 - 1


def actions(batch_size: int, num_rounds: int, seed: int = 0) -> Float[Tensor, "batch rounds actions width"]:
    """Random action tokens."""
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(batch_size, num_rounds, NUM_ACTIONS, WIDTH, generator=generator)


def filled_bank(seen: Tensor, done: Tensor, config: MemoryConfig = CONFIG) -> MemoryBank:
    """A bank to which all rounds were written, one after the other."""
    bank = empty_bank(config, len(seen), (NUM_ACTIONS, WIDTH), seen)
    for number in range(seen.shape[1]):
        bank = write_round(bank, seen[:, number], done[:, number])
    return bank
