"""Writing a history again: its rounds, with other action tokens, through the transition once more.

A key-value cache says what was done when it was written. When something happens to the world that its past rounds did
not know of, they must be read again for it to take hold (KV-recache; LongLive, arXiv 2509.22622).
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from wm_gym.transition.memory_bank import MemoryBank, held_rounds
from wm_gym.transition.round_cache import RoundCache
from wm_gym.transition.transition import Transition


@torch.no_grad()
def history_with(
    transition: Transition,
    cache: RoundCache,
    bank: MemoryBank,
    encode: Callable[[Float[Tensor, "n frames channel h w"]], Float[Tensor, "n tokens width"]],
    shift: Float[Tensor, "batch actions width"],
) -> RoundCache:
    """The history as if its action tokens had been moved by `shift`.

    It stays as it is where the shift is 0, and where the bank no longer knows all of it: first rounds that are never
    evicted from the history do leave the bank.

    Args:
        transition: the transition.
        cache: the history.
        bank: the memory, which knows the rounds that the history holds.
        encode: latents -> observation tokens.
        shift: what is added to the action tokens of each world's rounds.
    """
    held = held_rounds(bank, cache.rounds, transition.history_rounds, transition.sink_rounds)
    slots, real = held_slots(held, transition.history_rounds)
    rows = torch.arange(len(slots), device=slots.device)[:, None]
    tokens = encode(bank.latents[rows, slots].flatten(0, 1)).unflatten(0, (len(slots), -1))
    again = write_history(transition, tokens, bank.actions[rows, slots] + shift[:, None], real)
    known = real.sum(dim=1) == cache.rounds
    return _chosen(shift.flatten(1).any(dim=1) & known, again, cache)


def held_slots(
    held: Bool[Tensor, "batch slots"], history_rounds: int
) -> tuple[Int64[Tensor, "batch rounds"], Bool[Tensor, "batch rounds"]]:
    """The slots of a memory's bank that the history holds, the oldest first, and which of these are real.

    Args:
        held: from `held_rounds`.
        history_rounds: how many slots to give; the real ones are the last.
    """
    slots = torch.arange(held.shape[1], device=held.device)
    order = slots.where(held, -1).sort(dim=1).values
    last = order[:, -history_rounds:] if order.shape[1] >= history_rounds else order
    return last.clamp(min=0), last >= 0


@torch.no_grad()
def write_history(
    transition: Transition,
    observation_tokens: Float[Tensor, "batch rounds tokens width"],
    action_tokens: Float[Tensor, "batch rounds actions width"],
    real: Bool[Tensor, "batch rounds"],
) -> RoundCache:
    """The cache after the real rounds, which in each world are the last ones."""
    cache = transition.empty_cache(len(real))
    for number, rows in enumerate(real.unbind(1)):
        _, after = transition.step(cache, observation_tokens[:, number], action_tokens[:, number])
        cache = _chosen(rows, after, cache)
    return cache


def _chosen(rows: Bool[Tensor, "batch"], yes: RoundCache, no: RoundCache) -> RoundCache:
    """For each world the one cache or the other."""
    wide = rows[:, None, None, None, None]
    return RoundCache(
        keys=torch.where(wide, yes.keys, no.keys),
        values=torch.where(wide, yes.values, no.values),
        rounds=torch.where(rows, yes.rounds, no.rounds),
    )
