"""Rounds on a cache are what Qwen's language model computes of the whole dialogue."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.pan.tiny_parts import STATE_WIDTH, tiny_qwen, tiny_tokenizer
from wm_gym.pan.qwen_transition import BEFORE_STATE, QwenTransition, QwenTransitionConfig

CONFIG = QwenTransitionConfig(
    grid=(2, 2, 3), time_interval=2.5, num_state_tokens=3, max_action_tokens=4, history_rounds=3, sink_rounds=0
)
ACTIONS = ["open the door", "go", "", "go left", "right right right right", "the"]


def transition() -> QwenTransition:
    torch.manual_seed(0)
    model = QwenTransition(tiny_qwen().model.language_model, tiny_tokenizer(), CONFIG)
    torch.nn.init.normal_(model.queries.weight)
    return model.double().eval()


def observations(rounds: int, batch: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rounds, batch, 12, STATE_WIDTH, generator=generator, dtype=torch.float64)


def actions(model: QwenTransition, number: int) -> tuple[Tensor, Tensor]:
    """Another action for each of two worlds."""
    pairs = [model.tokenize(ACTIONS[(number + row) % len(ACTIONS)]) for row in range(2)]
    return torch.stack([ids for ids, _ in pairs]), torch.stack([real for _, real in pairs])


@torch.no_grad()
def run(model: QwenTransition, seen: Tensor) -> tuple[list[Tensor], list[tuple[Tensor, Tensor]]]:
    """The latent state after each round, and the rounds' tokens and which are real."""
    dialogue, state = model.empty(2), torch.full((2, 3, STATE_WIDTH), 7.0, dtype=torch.float64)
    states, rounds = [], []
    for number, tokens in enumerate(seen):
        inputs = state, torch.full((2,), number > 0), tokens, *actions(model, number)
        rounds.append(model.round(*inputs))
        state, dialogue = model.step(dialogue, *inputs)
        states.append(state)
    return states, rounds


@torch.no_grad()
def last_state_of_all(model: QwenTransition, rounds: list[tuple[Tensor, Tensor]]) -> Tensor:
    """One pass over all rounds, with the mask and the positions of the whole dialogue."""
    tokens = torch.cat([tokens for tokens, _ in rounds], dim=1)
    real = torch.cat([real for _, real in rounds], dim=1)
    positions = torch.cat([model.positions(number, len(tokens)) for number in range(len(rounds))], dim=2)
    length = tokens.shape[1]
    seen = (torch.ones(length, length, dtype=torch.bool).tril() & real[:, None])[:, None]
    mask = torch.zeros_like(seen, dtype=tokens.dtype).masked_fill(~seen, torch.finfo(tokens.dtype).min)
    output = model.language_model(inputs_embeds=tokens, attention_mask=mask, position_ids=positions)
    return model.read(output.last_hidden_state[:, -model.round_tokens :])


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_rounds_on_the_cache_equal_the_whole_dialogue(rounds: int) -> None:
    model = transition()
    states, dialogue = run(model, observations(rounds))
    expected = last_state_of_all(model, dialogue)
    assert expected.std() > 0.1
    assert (states[-1] - expected).abs().max() < 1e-6  # Qwen's rotary tables are float32


def test_a_full_cache_keeps_the_first_round_and_the_last_ones() -> None:
    """One layer, so that a round's keys do not carry what it saw."""
    qwen = tiny_qwen().model.language_model
    qwen.layers = qwen.layers[:1]
    qwen.config.num_hidden_layers = 1
    model = QwenTransition(qwen, tiny_tokenizer(), replace(CONFIG, sink_rounds=1)).double().eval()
    states, dialogue = run(model, observations(6))
    expected = last_state_of_all(model, [dialogue[0], *dialogue[-3:]])
    assert (states[-1] - expected).abs().max() < 1e-6
    assert (last_state_of_all(model, dialogue[-4:]) - expected).abs().max() > 1e-4


def test_positions_are_those_that_qwen_gives() -> None:
    """With every action full and the state as text, a round is a plain video prompt."""
    model, qwen = transition(), tiny_qwen().model
    lead = len(tiny_tokenizer()(BEFORE_STATE, add_special_tokens=False).input_ids) + 3
    tail = model.round_tokens - lead - 12
    ids = torch.tensor([[1] * lead + [2] * 12 + [1] * tail])
    kinds = torch.tensor([[0] * lead + [2] * 12 + [0] * tail])
    index: Any = qwen.get_rope_index
    expected, _ = index(
        ids,
        video_grid_thw=torch.tensor([[2, 4, 6]]),
        second_per_grid_ts=torch.tensor([2.5 / qwen.config.vision_config.tokens_per_second]),
        mm_token_type_ids=kinds,
    )
    assert torch.equal(model.positions(0, 1), expected)
    assert model.round_span == int(expected.max()) + 1


@pytest.mark.parametrize("place", ["state", "observation", "action"])
def test_what_is_said_and_seen_matters(place: str) -> None:
    model, seen = transition(), observations(2)
    (_, first), _ = run(model, seen)
    dialogue = model.empty(2)
    state = torch.zeros(2, 3, STATE_WIDTH, dtype=torch.float64)
    state, dialogue = model.step(dialogue, state, torch.tensor([False, False]), seen[0], *actions(model, 0))
    inputs = [state, torch.tensor([True, True]), seen[1], *actions(model, 1)]
    match place:
        case "state":
            inputs[0] = inputs[0] + 1
        case "observation":
            inputs[2] = inputs[2] + 1
        case "action":
            inputs[3] = inputs[3].roll(1, dims=0)
    after, _ = model.step(dialogue, *inputs)
    assert (after - first).abs().max() > 1e-4


def test_the_first_round_has_no_latent_state() -> None:
    model, seen = transition(), observations(1)[0]
    absent = torch.tensor([False, False])
    states = [torch.full((2, 3, STATE_WIDTH), value, dtype=torch.float64) for value in (0.0, 5.0)]
    outputs = [model.step(model.empty(2), state, absent, seen, *actions(model, 0))[0] for state in states]
    assert torch.equal(*outputs)


def test_a_long_action_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 4 tokens, got 5"):
        transition().tokenize("go go go go go")
