"""The real twin as the evaluation sees it: a Gymnasium env that may know its true state and read it off a picture."""

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

State: TypeAlias = Mapping[str, Any]
"""A world's symbolic state: plain values by factor ("agent", "doors", ...)."""

Env: TypeAlias = gym.Env[Any, Any]


@runtime_checkable
class RealTwin(Protocol):
    """What a simulator must offer, on `env.unwrapped`, to be the yardstick of a learned world's states.

    A twin whose reader is exact but for a tolerance also has `match_state(state, true_state) -> dict[str, bool]`, which
    says for each factor whether a state read off a frame is right.
    """

    def state(self) -> State:
        """Returns the state, from the simulator."""
        ...

    def read_state(self, frame: UInt8[np.ndarray, "height width channel"]) -> State:
        """Returns the state that a frame shows, from its pixels only, with the keys of `state`."""
        ...


@runtime_checkable
class JudgingTwin(RealTwin, Protocol):
    """A twin that can also tell a sound state from a broken one, which drift is measured by."""

    def is_valid(self, start: State, state: State) -> bool:
        """Says whether `state` could have come of `start` at all, whatever the actions."""
        ...


def make_twin(twin: str, *, split: str, max_episode_steps: int = -1) -> Env:
    """Makes the twin with its time limit moved to `max_episode_steps`; -1 lifts it.

    Args:
        twin: A Gymnasium id, with its module where importing it registers it ("envs:real/MiniGrid-v0").
        split: Passed to the env: which layouts it may draw.
        max_episode_steps: Steps after which the env truncates.

    Returns:
        The wrapped env.

    Raises:
        ValueError: There is no such env, or it takes no split.
        gymnasium.error.DependencyNotInstalled: Its simulator is missing.
    """
    try:
        return gym.make(twin, split=split, max_episode_steps=max_episode_steps, disable_env_checker=True)
    except gym.error.DependencyNotInstalled:
        raise
    except (ModuleNotFoundError, TypeError, gym.error.Error) as error:
        raise ValueError(
            f"twin must be the gym.make id of a real twin, got {twin!r} ({error}); "
            "the twins live in envs/: run from a checkout"
        ) from error


def has_states(env: Env) -> bool:
    """Whether the env below all wrappers is a `RealTwin`."""
    return isinstance(env.unwrapped, RealTwin)


def real_twin(env: Env) -> RealTwin:
    """Returns the env below all wrappers as a `RealTwin`.

    Raises:
        ValueError: It lacks one of the two methods.
    """
    if not has_states(env):
        raise ValueError(f"twin must offer state and read_state, got {type(env.unwrapped).__name__}")
    return cast(RealTwin, env.unwrapped)


def judging_twin(env: Env) -> JudgingTwin:
    """Returns the env below all wrappers as a `JudgingTwin`.

    Raises:
        ValueError: It lacks one of the three methods.
    """
    if not isinstance(env.unwrapped, JudgingTwin):
        raise ValueError(
            f"twin must offer state, read_state and is_valid to measure drift, got {type(env.unwrapped).__name__}; "
            "leave drift_rollouts out"
        )
    return cast(JudgingTwin, env.unwrapped)
