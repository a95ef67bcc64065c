"""An episode as a value: what `WorldModelEnv.clone_state` gives, `restore_state` takes and `reset` may start from."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

Chunk = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True, eq=False)
class EnvState:
    """Everything an episode of `WorldModelEnv` carries on: what `clone_state` gives and `restore_state` takes.

    It is a value: no later step changes it, and one state may be restored any number of times, in any env of the same
    checkpoint. `world_state.save(path)` writes its lasting part; `reset(options={"state": ...})` starts from it.

    Attributes:
        world_state: the model's state, of one world, its seed with it.
        ended: whether the episode is over.
        elapsed_steps: steps since the reset.
        world: the name of its world; None where nobody knows, as of a `WorldState` that was loaded.
        event: what happens beside the next action; "" for nothing.
        rng: state of `np_random`, where `clone_state(include_rng=True)` asked for it.
    """

    world_state: WorldState
    ended: bool
    elapsed_steps: int
    world: str | None = None
    event: str = ""
    rng: Mapping[str, Any] | None = None

    @property
    def observation(self) -> Chunk:
        """The chunk last returned, a copy."""
        return self.world_state.frames[0].cpu().numpy().copy()


def check_same_world(state_world: str | None, world: str) -> None:
    """Check that a state is of an env's world: another one has other texts, numbers and pictures.

    Raises:
        ValueError: it is known to be of another.
    """
    if state_world not in (None, world):
        raise ValueError(f"state must be of the world {world!r}, got one of {state_world!r}; make an env of that world")


def as_env_state(state: Any, model: WorldModel, world: str) -> EnvState:
    """Bring a saved state into the form that an env carries on.

    Args:
        state: an `EnvState`, or a `WorldState` with one world.
        model: the env's.
        world: the env's.

    Returns:
        The state, or one that begins an episode in the given `WorldState`; on the model's device.

    Raises:
        ValueError: it is no state, holds more than one world, or is of another checkpoint or world.
    """
    world_state = state.world_state if isinstance(state, EnvState) else state
    if not isinstance(world_state, WorldState):
        raise ValueError(
            f"state must be an EnvState or a WorldState, got {type(state).__name__}; "
            "take one from clone_state() or WorldState.load(path)"
        )
    if world_state.batch_size != 1:
        raise ValueError(f"state must hold one world, got {world_state.batch_size}; choose one with state.select([0])")
    if world_state.weights_hash != model.card.weights_hash:
        raise ValueError(
            f"state must be of this checkpoint ({model.card.weights_hash}), got one of {world_state.weights_hash}; "
            "make the env with the checkpoint that it was saved from"
        )
    check_same_world(state.world if isinstance(state, EnvState) else None, world)
    model.check_state(world_state)
    world_state = world_state.to(model.device)
    if isinstance(state, EnvState):
        return replace(state, world_state=world_state)
    return EnvState(world_state=world_state, ended=False, elapsed_steps=0, world=world)
