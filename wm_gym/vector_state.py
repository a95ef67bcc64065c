"""A batch of episodes as a value: what `WorldModelVectorEnv.clone_state` gives and `restore_state` takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Int64, UInt8
from torch import Tensor

from wm_gym.env_state import EnvState
from wm_gym.world_state import WorldState

Chunks = UInt8[np.ndarray, "batch time height width 3"]
Node = TypeVar("Node")


@dataclass(frozen=True, kw_only=True, eq=False)
class VectorEnvState:
    """Everything the episodes of a `WorldModelVectorEnv` carry on.

    It is a value: no later step changes it, and it may be restored any number of times, in any vector env of the same
    checkpoint and size.

    Attributes:
        world_state: the model's state, one row a world, the seeds with it.
        ended: whether each episode is over and waits for its reset.
        elapsed_steps: steps of each since its reset.
        world: the name of their world.
        events: what happens to each beside its next action, "" for nothing; empty where nothing happens to any.
        rng: state of each world's generator, where `clone_state(include_rng=True)` asked for it.
    """

    world_state: WorldState
    ended: Bool[np.ndarray, "batch"]
    elapsed_steps: Int64[np.ndarray, "batch"]
    world: str | None = None
    events: tuple[str, ...] = ()
    rng: tuple[Mapping[str, Any], ...] | None = None

    @property
    def observation(self) -> Chunks:
        """The chunks last returned, a copy."""
        return self.world_state.frames.cpu().numpy().copy()

    def row(self, index: int) -> EnvState:
        """The episode of one world, which `WorldModelEnv.restore_state` takes."""
        return EnvState(
            world_state=self.world_state.select([index]),
            ended=bool(self.ended[index]),
            elapsed_steps=int(self.elapsed_steps[index]),
            world=self.world,
            event=self.events[index] if self.events else "",
            rng=None if self.rng is None else self.rng[index],
        )

    def copy(self, rng: tuple[Mapping[str, Any], ...] | None) -> "VectorEnvState":
        """The same with arrays of its own."""
        return replace(self, ended=self.ended.copy(), elapsed_steps=self.elapsed_steps.copy(), rng=rng)

    def begin(self, rows: Sequence[int], worlds: WorldState, event: str = "") -> "VectorEnvState":
        """New episodes in some rows; the others keep every bit.

        Args:
            rows: where.
            worlds: the state that each of them begins in.
            event: what happens to all of them beside their first action.
        """
        events = list(self.events or [""] * len(self.ended))
        for row in rows:
            events[row] = event
        ended, elapsed_steps = self.ended.copy(), self.elapsed_steps.copy()
        ended[rows], elapsed_steps[rows] = False, 0
        index = torch.tensor(rows, device=worlds.seeds.device)
        return replace(
            self,
            world_state=_put_rows(self.world_state, index, worlds),
            ended=ended,
            elapsed_steps=elapsed_steps,
            events=tuple(events) if any(events) else (),
        )


def _put_rows(state: Node, rows: Tensor, new: Node) -> Node:
    """`state` with the rows of every tensor replaced by those of `new`."""
    changes: dict[str, Any] = {}
    for field in fields(state):  # type: ignore[arg-type]  # a WorldState, or one of its caches
        old, fresh = getattr(state, field.name), getattr(new, field.name)
        if isinstance(old, Tensor):
            changes[field.name] = old.index_copy(0, rows, fresh)
        elif isinstance(old, Mapping):
            changes[field.name] = {name: tensor.index_copy(0, rows, fresh[name]) for name, tensor in old.items()}
        elif is_dataclass(old):
            changes[field.name] = _put_rows(old, rows, fresh)
    return replace(state, **changes)  # type: ignore[type-var]
