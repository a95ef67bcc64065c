"""Small transitions with random weights, and random rounds for them."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.transition.round_cache import RoundCache
from wm_gym.transition.transition import Transition, TransitionConfig

WIDTH, NUM_OBSERVATIONS, NUM_ACTIONS, NUM_STATES = 16, 3, 2, 2
ROUND_TOKENS = NUM_OBSERVATIONS + NUM_ACTIONS + NUM_STATES


def language_model(num_layers: int, model_type: str = "qwen3") -> dict[str, Any]:
    """A tiny language model with grouped keys and values."""
    return {
        "model_type": model_type,
        "vocab_size": 1,
        "hidden_size": WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": num_layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def random_transition(
    num_layers: int = 2,
    history_rounds: int = 4,
    sink_rounds: int = 1,
    model_type: str = "qwen3",
    memory: MemoryConfig | None = None,
) -> Transition:
    """A transition whose every parameter is random; equal arguments give equal weights."""
    config = TransitionConfig(
        language_model=language_model(num_layers, model_type),
        num_observation_tokens=NUM_OBSERVATIONS,
        num_action_tokens=NUM_ACTIONS,
        num_state_tokens=NUM_STATES,
        history_rounds=history_rounds,
        sink_rounds=sink_rounds,
        memory=memory,
    )
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        transition: Transition = Transition.build(config)
        for parameter in transition.parameters():
            parameter += 0.2 * torch.randn(parameter.shape)
    return transition.eval()


@dataclass(frozen=True)
class Rounds:
    """Inputs of `Transition.forward`."""

    observations: Float[Tensor, "batch rounds tokens width"]
    actions: Float[Tensor, "batch rounds actions width"]

    def __getitem__(self, rounds: list[int]) -> "Rounds":
        return Rounds(self.observations[:, rounds], self.actions[:, rounds])

    def world(self, row: int) -> "Rounds":
        """One world of the batch."""
        return Rounds(self.observations[row : row + 1], self.actions[row : row + 1])


def random_rounds(batch_size: int, num_rounds: int, seed: int = 0) -> Rounds:
    """Random observation and action tokens."""
    generator = torch.Generator().manual_seed(seed)
    return Rounds(
        torch.randn(batch_size, num_rounds, NUM_OBSERVATIONS, WIDTH, generator=generator),
        torch.randn(batch_size, num_rounds, NUM_ACTIONS, WIDTH, generator=generator),
    )


@torch.no_grad()
def segment_pass(transition: Transition, rounds: Rounds) -> Tensor:
    """The latent states of all rounds in one pass."""
    states: Tensor = transition(rounds.observations, rounds.actions)
    return states


@torch.no_grad()
def step_by_step(transition: Transition, rounds: Rounds) -> tuple[Tensor, RoundCache]:
    """The latent states of all rounds, one after the other on the cache, and the cache after them."""
    cache, states = transition.empty_cache(len(rounds.observations)), []
    for number in range(rounds.observations.shape[1]):
        state, cache = transition.step(cache, rounds.observations[:, number], rounds.actions[:, number])
        states.append(state)
    return torch.stack(states, dim=1), cache
