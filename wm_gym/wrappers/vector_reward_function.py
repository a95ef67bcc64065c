"""A reward of the user's own for a batch of worlds."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from wm_gym.wrappers.reward_function import Function, as_numbers, is_finite


class VectorRewardFunction(gym.vector.VectorWrapper[Any, Any, Any, Any, Any]):
    """`RewardFunction` for vector envs: the function sees the batch, and returns one reward a world.

    A row that ended is judged by its last observation, in every autoreset mode. Where a step only resets a row, its
    reward is 0, whatever the function says of it.

    Args:
        env: a vector env whose observations are arrays.
        function: (before, texts, after) -> as many finite numbers as there are worlds. `before` and `after` have the
            worlds on the first axis; `texts` has one a world: the canonical text of a numbered action.
    """

    def __init__(self, env: gym.vector.VectorEnv[Any, Any, Any], function: Function) -> None:
        super().__init__(env)
        self._function = function
        meanings: Any = getattr(env.unwrapped, "get_action_meanings", None)  # vector wrappers pass none on
        numbered = isinstance(env.single_action_space, gym.spaces.Discrete) and meanings is not None
        self._texts: list[str] = meanings() if numbered else []
        self._mode = env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP)
        self._before: Any = None
        self._begins = np.zeros(self.num_envs, np.bool_)  # rows that the next step resets

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every world, or in those of the mask."""
        mask = np.array((options or {}).get("reset_mask", True))
        observations, infos = self.env.reset(seed=seed, options=options)
        self._before = np.array(observations)
        self._begins = self._begins & ~mask
        return observations, infos

    def step(self, actions: Any) -> tuple[Any, NDArray[np.float64], Any, Any, dict[str, Any]]:
        """Step the worlds.

        Raises:
            ValueError: the function returns anything but a finite number a world.
        """
        observations, _, terminations, truncations, infos = self.env.step(actions)
        after = np.array(observations)
        for row in np.flatnonzero(infos.get("_final_obs", ())):
            after[row] = infos["final_obs"][row]
        said = [self._texts[int(action)] for action in actions] if self._texts else actions
        rewards = self._function(self._before, said, after)
        begins, self._before = self._begins, np.array(observations)
        self._begins = (terminations | truncations) & (self._mode is AutoresetMode.NEXT_STEP)
        return observations, self._checked(rewards, begins), terminations, truncations, infos

    def _checked(self, rewards: Any, begins: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The rewards, 0 in rows that have only begun.

        Raises:
            ValueError: they are not a finite number a world.
        """
        rule = f"the reward function must return {self.num_envs} finite numbers, one a world"
        judged = as_numbers(rewards)
        if judged.shape != (self.num_envs,):
            raise ValueError(f"{rule}, got shape {judged.shape}")
        for row in np.flatnonzero(~begins):
            if as_numbers(judged[row]).ndim or not is_finite(judged[row]):
                raise ValueError(f"{rule}, got {judged[row]!r} for world {row}")
        return np.where(begins, 0.0, judged).astype(np.float64)
