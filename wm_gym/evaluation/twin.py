"""The real twin as the evaluation sees it: a Gymnasium env that knows its true state and can read it off a picture."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

State: TypeAlias = Mapping[str, Any]
"""A world's symbolic state: plain values that compare with ==, by factor ("agent", "doors", ...)."""

Env: TypeAlias = gym.Env[Any, str]


@runtime_checkable
class RealTwin(Protocol):
    """What a simulator must offer, on `env.unwrapped`, to be the yardstick of a learned world."""

    def state(self) -> State:
        """Returns the state, from the simulator."""
        ...

    def read_state(self, frame: UInt8[np.ndarray, "height width channel"]) -> State:
        """Returns the state that a frame shows, from its pixels only, with the keys of `state`."""
        ...

    def is_valid(self, start: State, state: State) -> bool:
        """Says whether `state` could have come of `start` at all, whatever the actions."""
        ...


def make_twin(twin: str, *, split: str, max_episode_steps: int) -> Env:
    """Makes the twin with its time limit moved to `max_episode_steps`.

    Args:
        twin: A Gymnasium id, with its module where importing it registers it ("envs:real/MiniGrid-v0").
        split: Passed to the env: which layouts it may draw.
        max_episode_steps: Steps after which the env truncates.

    Returns:
        The wrapped env; its `unwrapped` is a `RealTwin`.

    Raises:
        ValueError: There is no such env, or it is no `RealTwin`.
    """
    try:
        env: Env = gym.make(twin, split=split, max_episode_steps=max_episode_steps, disable_env_checker=True)
    except (ModuleNotFoundError, TypeError, gym.error.Error) as error:
        raise ValueError(
            f"twin must be the gym.make id of a real twin, got {twin!r} ({error}); "
            "the twins live in envs/: run from a checkout"
        ) from error
    real_twin(env)
    return env


def real_twin(env: Env) -> RealTwin:
    """Returns the env below all wrappers as a `RealTwin`.

    Raises:
        ValueError: It lacks one of the three methods.
    """
    if not isinstance(env.unwrapped, RealTwin):
        raise ValueError(f"twin must offer state, read_state and is_valid, got {type(env.unwrapped).__name__}")
    return cast(RealTwin, env.unwrapped)
