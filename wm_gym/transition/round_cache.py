"""The transition's KV cache: a fixed number of slots of one round each, the newest on the right.

Positions belong to slots, not to time: when a round moves one slot to the left its keys are rotated back by one round
(RoPE is a group, R(p - d) = R(-d) R(p)). So positions stay small and a step costs the same at round 10 and 100,000. The
first `sink_rounds` rounds of a world are never evicted (attention sinks, StreamingLLM, arXiv 2309.17453).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor


@dataclass(frozen=True)
class RoundCache:
    """Keys and values of the last rounds, for each world of a batch.

    Attributes:
        keys: rotated keys, slot-major in `slots`.
        values: values in the same layout.
        rounds: filled slots of each world, 0 to `history_rounds`; they are the rightmost ones.
    """

    keys: Float[Tensor, "batch layers heads slots head_dim"]
    values: Float[Tensor, "batch layers heads slots head_dim"]
    rounds: Int64[Tensor, "batch"]

    def clone(self) -> "RoundCache":
        """The same rounds in memory of their own, every tensor laid out row by row."""
        keys, values, rounds = (
            tensor.clone(memory_format=torch.contiguous_format) for tensor in (self.keys, self.values, self.rounds)
        )
        return RoundCache(keys, values, rounds)

    def filled(self, round_tokens: int) -> Bool[Tensor, "batch slots"]:
        """Which slots hold a round."""
        slots = torch.arange(self.keys.shape[3], device=self.keys.device)
        return slots >= self.keys.shape[3] - round_tokens * self.rounds[:, None]


def rotate_half(x: Float[Tensor, "*lead head_dim"]) -> Float[Tensor, "*lead head_dim"]:
    """The half-split rotation of Llama-style RoPE."""
    left, right = x.chunk(2, dim=-1)
    return torch.cat([-right, left], dim=-1)


def append_round(
    cache: RoundCache,
    keys: Float[Tensor, "batch layers heads round head_dim"],
    values: Float[Tensor, "batch layers heads round head_dim"],
    cos: Float[Tensor, "head_dim"],
    sin: Float[Tensor, "head_dim"],
    sink_rounds: int,
) -> RoundCache:
    """Push a round in on the right and shift the others one slot to the left.

    Args:
        cache: the cache before; it is not changed.
        keys: keys of the new round, rotated for the position right of the last slot.
        values: values of the new round.
        cos: cosines of the rotation by one round.
        sin: sines of the rotation by one round.
        sink_rounds: leftmost rounds that a full cache keeps in place.
    """
    round_tokens = keys.shape[3]
    history_rounds = cache.keys.shape[3] // round_tokens
    all_keys = torch.cat([cache.keys, keys], dim=3)
    moved = (all_keys * cos - rotate_half(all_keys) * sin)[:, :, :, round_tokens:]
    shifted_values = torch.cat([cache.values, values], dim=3)[:, :, :, round_tokens:]
    stays = torch.zeros(cache.keys.shape[3], dtype=torch.bool, device=keys.device)
    stays[: sink_rounds * round_tokens] = True
    keep = ((cache.rounds == history_rounds)[:, None] & stays)[:, None, None, :, None]
    return RoundCache(
        keys=torch.where(keep, cache.keys, moved),
        values=torch.where(keep, cache.values, shifted_values),
        rounds=(cache.rounds + 1).clamp(max=history_rounds),
    )
