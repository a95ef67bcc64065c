"""Slots of the transition's cache: they fill from the right, slide, and keep the sink."""

import torch
from torch import Tensor

from tests.tolerances import assert_near
from wm_gym.transition.round_cache import RoundCache, append_round, rotate_half

ROUND_TOKENS, HEAD_DIM, ROUNDS = 2, 4, 3
SLOTS = ROUND_TOKENS * ROUNDS


def rotation(position: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of a Llama-style RoPE at a position."""
    angles = position * 10.0 ** -torch.arange(HEAD_DIM // 2, dtype=torch.float64)
    return torch.cat([angles, angles]).cos(), torch.cat([angles, angles]).sin()


def rotated(key: Tensor, position: int) -> Tensor:
    """A key at its position."""
    cos, sin = rotation(position)
    return key * cos + rotate_half(key) * sin


def empty(batch_size: int = 1) -> RoundCache:
    zeros = torch.zeros(batch_size, 1, 1, SLOTS, HEAD_DIM, dtype=torch.float64)
    return RoundCache(keys=zeros, values=zeros.clone(), rounds=torch.zeros(batch_size, dtype=torch.int64))


def push(cache: RoundCache, keys: Tensor, value: float, sink_rounds: int = 1) -> RoundCache:
    """Append a round whose keys are unrotated `keys` (round_tokens, head_dim) and whose values are all `value`."""
    placed = torch.stack([rotated(key, SLOTS + token) for token, key in enumerate(keys)])
    batch = len(cache.rounds)
    values = torch.full((batch, 1, 1, ROUND_TOKENS, HEAD_DIM), value, dtype=torch.float64)
    cos, sin = rotation(ROUND_TOKENS)
    return append_round(cache, placed.expand(batch, 1, 1, -1, -1), values, cos, sin, sink_rounds)


def slot_values(cache: RoundCache, row: int = 0) -> list[float]:
    """The value of each slot of one round."""
    return [float(value) for value in cache.values[row, 0, 0, ::ROUND_TOKENS, 0]]


def fill(num_rounds: int, sink_rounds: int = 1) -> RoundCache:
    cache = empty()
    for number in range(1, num_rounds + 1):
        cache = push(cache, torch.ones(ROUND_TOKENS, HEAD_DIM, dtype=torch.float64), float(number), sink_rounds)
    return cache


def test_cache_fills_from_the_right() -> None:
    assert slot_values(fill(2)) == [0, 1, 2]
    assert fill(2).filled(ROUND_TOKENS)[0].tolist() == [False] * 2 + [True] * 4


def test_full_cache_keeps_the_sink_and_evicts_the_second() -> None:
    assert slot_values(fill(3)) == [1, 2, 3]
    assert slot_values(fill(4)) == [1, 3, 4]
    assert slot_values(fill(50)) == [1, 49, 50]


def test_cache_without_sink_evicts_the_first() -> None:
    assert slot_values(fill(4, sink_rounds=0)) == [2, 3, 4]


def test_two_sink_rounds_leave_one_that_slides() -> None:
    assert slot_values(fill(6, sink_rounds=2)) == [1, 2, 6]


def test_rounds_count_up_to_the_slots() -> None:
    assert [int(fill(number).rounds) for number in range(1, 6)] == [1, 2, 3, 3, 3]


def test_every_world_follows_its_own_fill_level() -> None:
    young, old = fill(1), fill(3)
    cache = RoundCache(
        keys=torch.cat([young.keys, old.keys]),
        values=torch.cat([young.values, old.values]),
        rounds=torch.cat([young.rounds, old.rounds]),
    )
    after = push(cache, torch.ones(ROUND_TOKENS, HEAD_DIM, dtype=torch.float64), 9.0)
    assert (slot_values(after, 0), slot_values(after, 1)) == ([0, 1, 9], [1, 3, 9])


def test_keys_are_rotated_to_the_position_of_their_slot() -> None:
    cache, rounds = empty(), torch.randn(6, ROUND_TOKENS, HEAD_DIM, dtype=torch.float64)
    for number, keys in enumerate(rounds):
        cache = push(cache, keys, float(number))
    expected = [
        rotated(rounds[number, token], slot * ROUND_TOKENS + token)
        for slot, number in enumerate((0, 4, 5))
        for token in range(ROUND_TOKENS)
    ]
    assert_near(cache.keys[0, 0, 0], torch.stack(expected))


def test_appending_leaves_the_cache_before_as_it_is() -> None:
    cache = fill(3)
    keys = cache.keys.clone()
    push(cache, torch.ones(ROUND_TOKENS, HEAD_DIM, dtype=torch.float64), 9.0)
    assert torch.equal(cache.keys, keys)
    assert slot_values(cache) == [1, 2, 3]
