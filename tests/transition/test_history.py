"""Writing a history again gives the cache that stepping through its rounds gave."""

import pytest
import torch

from tests.tolerances import assert_near
from tests.transition.memories import SLOTS, actions, filled_bank, pictures, recalling_transition
from tests.transition.transitions import NUM_OBSERVATIONS, WIDTH
from wm_gym.transition.history import held_slots, history_with, write_history
from wm_gym.transition.memory_bank import MemoryBank
from wm_gym.transition.round_cache import RoundCache
from wm_gym.transition.transition import Transition


def encode(latents: torch.Tensor) -> torch.Tensor:
    """Some observation tokens of latents."""
    return latents.flatten(1)[:, : NUM_OBSERVATIONS * WIDTH].unflatten(1, (NUM_OBSERVATIONS, WIDTH))


@torch.no_grad()
def stepped(transition: Transition, num_rounds: int, shift: float = 0.0) -> tuple[RoundCache, MemoryBank]:
    """The cache and the bank after some rounds, whose action tokens the cache heard moved."""
    seen, done = pictures(2, num_rounds), actions(2, num_rounds)
    cache = transition.empty_cache(2)
    for number in range(num_rounds):
        _, cache = transition.step(cache, encode(seen[:, number]), done[:, number] + shift)
    return cache, filled_bank(seen, done)


def test_held_slots_are_the_last_ones_in_order() -> None:
    held = torch.zeros(2, SLOTS, dtype=torch.bool)
    held[0, [1, 9, 11]] = True
    held[1, 4] = True
    slots, real = held_slots(held, 4)
    assert slots[0][real[0]].tolist() == [1, 9, 11]
    assert slots[1][real[1]].tolist() == [4]
    assert real.tolist() == [[False, True, True, True], [False, False, False, True]]


@pytest.mark.parametrize("num_rounds", [0, 1, 3, 4, 9])
@pytest.mark.parametrize("sink_rounds", [0, 1])
def test_a_history_written_again_hears_the_moved_actions(num_rounds: int, sink_rounds: int) -> None:
    """One layer: keys know their round alone, so that this also holds once the history slides."""
    transition = recalling_transition(sink_rounds=sink_rounds)
    cache, bank = stepped(transition, num_rounds)
    expected, _ = stepped(transition, num_rounds, shift=0.5)
    again = history_with(transition, cache, bank, encode, torch.full_like(bank.actions[:, 0], 0.5))
    filled = cache.filled(transition.round_tokens)[:, None, None, :, None]
    assert again.rounds.tolist() == cache.rounds.tolist()
    assert_near(again.keys * filled, expected.keys * filled)
    assert_near(again.values * filled, expected.values * filled)


def test_a_history_that_the_bank_no_longer_knows_stays_as_it_is() -> None:
    transition = recalling_transition(sink_rounds=1)
    for num_rounds, is_written in ((SLOTS, True), (SLOTS + 1, False)):  # the first round left the bank
        cache, bank = stepped(transition, num_rounds)
        again = history_with(transition, cache, bank, encode, torch.full_like(bank.actions[:, 0], 0.5))
        assert again.rounds.tolist() == cache.rounds.tolist()
        assert torch.equal(again.keys, cache.keys) != is_written


def test_worlds_whose_actions_stay_keep_their_history_bit_for_bit() -> None:
    transition = recalling_transition()
    cache, bank = stepped(transition, 5)
    shift = torch.zeros_like(bank.actions[:, 0])
    shift[1] = 0.5
    again = history_with(transition, cache, bank, encode, shift)
    assert torch.equal(again.keys[0], cache.keys[0])
    assert not torch.equal(again.keys[1], cache.keys[1])


def test_rounds_that_are_not_real_are_not_written() -> None:
    transition, seen, done = recalling_transition(), pictures(2, 3), actions(2, 3)
    tokens = encode(seen.flatten(0, 1)).unflatten(0, (2, 3))
    real = torch.tensor([[False, False, True], [True, True, True]])
    assert write_history(transition, tokens, done, real).rounds.tolist() == [1, 3]
