"""The memory: past rounds kept outside the transition's history, and which of them a step recalls.

A bank holds the last `slots` rounds of each world, the newest on the right: what was seen, and what was done then. Two
pictures are as similar as exp(-d^2 / (2 SCALE^2)), d the root-mean-square difference of their latents pooled 2x2: the
autoencoder's latents, since it is trained before everything else and a measure on them never moves. A round is worth as
much as the most similar of its picture and of those right before and after it: who turns back sees first where they
are, and next what they had seen one round earlier.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

MOST_ROUNDS = 8
SCALE = 0.2  # neighbouring views of a first-person world are about one apart, unrelated ones two
DUPLICATE = 0.9  # similarity of two pictures from which only one is recalled
NUM_RELATIONS = 5

_POOL = 2  # latent cells a side
_CANDIDATES = 4  # for each round to recall


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """Shape of a memory.

    Attributes:
        rounds: rounds that a step recalls, 1 to 8.
        slots: rounds that the bank holds.
        recency: weight of the oldest slot, where the newest has 1. Below 1 what was seen last counts most, which suits
            places that change; above 1 what was seen first, before a dream's errors grew.
        latent_channels: channels of the latents.
        latent_size: (rows, columns) of the latents.
        chunk_frames: latent frames of an observation.
    """

    rounds: int = 8
    slots: int = 128
    recency: float = 0.5
    latent_channels: int = 16
    latent_size: tuple[int, int] = (8, 8)
    chunk_frames: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 1 <= self.rounds <= MOST_ROUNDS:
            raise ValueError(f"memory rounds must be 1 to {MOST_ROUNDS}, got {self.rounds}; leave the memory out for 0")
        if self.slots < self.rounds:
            raise ValueError(f"memory slots must be at least the rounds ({self.rounds}), got {self.slots}")
        if not 0 < self.recency < math.inf:
            raise ValueError(f"memory recency must be above 0 and finite, got {self.recency}; 1 weighs all ages alike")

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MemoryConfig":
        """The config from its values by name, lists in place of tuples.

        Raises:
            TypeError: unknown names.
            ValueError: values out of their range.
        """
        rows, columns = values["latent_size"]
        return cls(**{**values, "latent_size": (rows, columns)})

    @property
    def latents(self) -> tuple[int, int, int, int]:
        """Shape of an observation's latents."""
        return (self.chunk_frames, self.latent_channels, *self.latent_size)


@dataclass(frozen=True)
class MemoryBank:
    """The last rounds of each world of a batch, the newest on the right.

    Attributes:
        latents: what was seen; zeros in empty slots.
        actions: the action tokens of what was done then.
        keys: the latents' last frame, pooled.
        rounds: rounds that were ever written; the rightmost slots hold the last of them.
    """

    latents: Float[Tensor, "batch slots frames channel h w"]
    actions: Float[Tensor, "batch slots actions width"]
    keys: Float[Tensor, "batch slots key"]
    rounds: Int64[Tensor, "batch"]

    @property
    def ages(self) -> Int64[Tensor, "slots"]:
        """Age of each slot in rounds: 1 for the last one."""
        slots = self.keys.shape[1]
        return torch.arange(slots, 0, -1, device=self.keys.device)

    @property
    def filled(self) -> Bool[Tensor, "batch slots"]:
        """Which slots hold a round."""
        return self.ages <= self.rounds[:, None]


@dataclass(frozen=True)
class Recalled:
    """The rounds that a step recalls, the most relevant first.

    Attributes:
        latents: what was seen.
        actions: the action tokens of what was done then.
        actions_before: those of the round before; zeros where there was none.
        relations: similarity of the present picture to the one before, to this one and to the one after; whether there
            was one before; and the age, 0 to 1 for the oldest slot.
        real: False where fewer rounds were recalled; what stands there means nothing.
    """

    latents: Float[Tensor, "batch recalled frames channel h w"]
    actions: Float[Tensor, "batch recalled actions width"]
    actions_before: Float[Tensor, "batch recalled actions width"]
    relations: Float[Tensor, "batch recalled relations"]
    real: Bool[Tensor, "batch recalled"]


def empty_bank(config: MemoryConfig, batch_size: int, actions: tuple[int, int], like: Tensor) -> MemoryBank:
    """A bank without rounds, for the first step of a world.

    Args:
        config: its shape.
        batch_size: worlds.
        actions: number and width of a round's action tokens.
        like: a tensor of the wanted device and dtype.
    """
    latents = like.new_zeros(batch_size, config.slots, *config.latents)
    return MemoryBank(
        latents=latents,
        actions=like.new_zeros(batch_size, config.slots, *actions),
        keys=picture_keys(latents),
        rounds=torch.zeros(batch_size, dtype=torch.int64, device=like.device),
    )


def picture_keys(latents: Float[Tensor, "*lead frames channel h w"]) -> Float[Tensor, "*lead key"]:
    """What pictures are compared by: the last frame's latents, pooled."""
    last = latents[..., -1, :, :, :]
    pooled = avg_pool2d(last.reshape(-1, *last.shape[-3:]), _POOL)
    return pooled.reshape(*last.shape[:-3], -1)


def similarity(one: Float[Tensor, "*lead a key"], other: Float[Tensor, "*lead b key"]) -> Float[Tensor, "*lead a b"]:
    """Similarity in [0, 1] of pictures by their keys; 1 for equal ones."""
    squares = one.pow(2).sum(-1)[..., :, None] + other.pow(2).sum(-1)[..., None, :]
    distance = (squares - 2 * one @ other.transpose(-1, -2)).clamp(min=0) / one.shape[-1]
    return torch.exp(-distance / (2 * SCALE**2))


def write_round(
    bank: MemoryBank,
    latents: Float[Tensor, "batch frames channel h w"],
    actions: Float[Tensor, "batch actions width"],
) -> MemoryBank:
    """The bank with one more round on the right; the oldest falls off. The one given is not changed."""

    def pushed(slots: Tensor, new: Tensor) -> Tensor:
        return torch.cat([slots[:, 1:], new[:, None]], dim=1)

    return MemoryBank(
        latents=pushed(bank.latents, latents),
        actions=pushed(bank.actions, actions),
        keys=pushed(bank.keys, picture_keys(latents)),
        rounds=bank.rounds + 1,
    )


def held_rounds(
    bank: MemoryBank, history: Int64[Tensor, "batch"], history_rounds: int, sink_rounds: int
) -> Bool[Tensor, "batch slots"]:
    """Which rounds the transition's history holds.

    Args:
        bank: the bank.
        history: filled slots of the transition's cache.
        history_rounds: slots of that cache; a full one holds the last rounds and the sink.
        sink_rounds: how many of them are the world's first rounds.
    """
    ages, numbers = bank.ages, bank.rounds[:, None] - bank.ages
    slid = (ages <= history_rounds - sink_rounds) | (numbers < sink_rounds)
    return torch.where((history < history_rounds)[:, None], ages <= history[:, None], slid)


def recall(
    bank: MemoryBank,
    present: Float[Tensor, "batch frames channel h w"],
    num_rounds: int,
    recency: float = MemoryConfig.recency,
) -> Recalled:
    """The rounds that matter now: relevant ones, among them by age, of equal pictures only one.

    Those that the transition's history holds are among them: it tells what they mean, and not what they looked like.
    The cost depends on the slots, not on the age of the world.

    Args:
        bank: the bank.
        present: latents of what is seen now.
        num_rounds: the most to recall.
        recency: weight of the oldest slot, where the newest has 1.
    """
    slots = bank.keys.shape[1]
    same = similarity(bank.keys, picture_keys(present)[:, None])[..., 0] * bank.filled
    before = pad(same[:, :-1], (1, 0))
    after = pad(same[:, 1:], (0, 1), value=1.0)  # after the last round comes what is seen now
    weight = recency ** ((bank.ages - 1) / slots)
    score = torch.maximum(torch.maximum(before, same), after) * weight
    score = score.masked_fill(~bank.filled, -1.0)
    chosen, real = _distinct(score, bank.keys, num_rounds)
    has_before = pad(bank.filled[:, :-1].to(same), (1, 0))
    age = (bank.ages / slots).to(same).expand_as(same)
    relations = torch.stack([before, same, after, has_before, age], dim=-1)
    rows = torch.arange(len(chosen), device=chosen.device)[:, None]
    chosen_relations = relations[rows, chosen]
    return Recalled(
        latents=bank.latents[rows, chosen],
        actions=bank.actions[rows, chosen],
        actions_before=bank.actions[rows, (chosen - 1).clamp(min=0)] * chosen_relations[..., 3, None, None],
        relations=chosen_relations,
        real=real,
    )


def _distinct(
    score: Float[Tensor, "batch slots"], keys: Float[Tensor, "batch slots key"], num_rounds: int
) -> tuple[Int64[Tensor, "batch recalled"], Bool[Tensor, "batch recalled"]]:
    """Slots of the best scores, duplicates of better ones left out, and which of them have a score from 0 up.

    Two passes of what a greedy choice would do one by one: a slot is out where it is like a better one that is not
    itself like a better one.
    """
    candidates = score.topk(min(_CANDIDATES * num_rounds, score.shape[1]), dim=1)
    rows = torch.arange(len(score), device=score.device)[:, None]
    near = keys[rows, candidates.indices]
    alike_better = (similarity(near, near) > DUPLICATE).tril(-1)  # candidates are sorted: the better ones come first
    first = ~alike_better.any(dim=2)
    out = (alike_better & first[:, None]).any(dim=2)
    best = candidates.values.masked_fill(out, -1.0).topk(num_rounds, dim=1)
    return candidates.indices.gather(1, best.indices), best.values >= 0


def noised(recalled: Recalled, noise: Float[Tensor, "batch recalled frames channel h w"]) -> Recalled:
    """The same rounds as a dream would remember them: its own pictures are never quite right."""
    return replace(recalled, latents=recalled.latents + noise)
