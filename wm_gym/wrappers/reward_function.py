"""A reward of the user's own, from what is seen and said."""

from collections.abc import Callable
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

Function: TypeAlias = Callable[[Any, Any, Any], Any]


class RewardFunction(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Reward each step by a function of the observation before, the text that was said, and the observation after.

        env = RewardFunction(env, lambda before, text, after: float(after[..., 1].mean() > before[..., 1].mean()))

    Around an env with numbered actions the function reads the action's canonical text; numeric actions it gets as they
    are. The env's own reward is dropped, its ends stay.

    Args:
        env: any env whose observations are arrays.
        function: (before, text, after) -> one finite number.
    """

    def __init__(self, env: gym.Env[Any, Any], function: Function) -> None:
        RecordConstructorArgs.__init__(self, function=function)
        gym.Wrapper.__init__(self, env)
        self._function = function
        self._texts = action_texts(env.action_space, env)
        self._before: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._before = np.array(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step the env.

        Raises:
            ValueError: the function returns no finite number.
        """
        observation, _, terminated, truncated, info = self.env.step(action)
        said = self._texts[int(action)] if self._texts else action
        reward = self._function(self._before, said, observation)
        self._before = np.array(observation)
        if as_numbers(reward).shape != () or not is_finite(reward):
            raise ValueError(f"the reward function must return one finite number, got {reward!r}")
        return observation, float(reward), terminated, truncated, info


def action_texts(space: gym.Space[Any], env: Any) -> list[str]:
    """The text of every action number; empty where actions are no numbers, or their texts are unknown."""
    if not isinstance(space, gym.spaces.Discrete) or not env.has_wrapper_attr("get_action_meanings"):
        return []
    meanings: list[str] = env.get_wrapper_attr("get_action_meanings")()
    return meanings


def as_numbers(rewards: Any) -> NDArray[Any]:
    """What a function returned as an array, of objects where it is ragged."""
    try:
        return np.asarray(rewards)
    except ValueError:  # rows of different lengths
        ragged = np.empty(len(rewards), dtype=object)
        for row, reward in enumerate(rewards):
            ragged[row] = reward
        return ragged


def is_finite(rewards: Any) -> bool:
    """Whether the rewards are real numbers, none of them NaN or infinite."""
    values = as_numbers(rewards)
    return values.dtype.kind in "biuf" and bool(np.isfinite(values).all())
