"""The learned world with numbers as actions and one frame an observation."""

from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.actions import Action, scale_numbers
from wm_gym.env import Frame, WorldModelEnv


class BoxWorldModelEnv(WorldModelEnv):
    """`WorldModelEnv` with `Box` actions, the world's own numbers, and its chunk's last frame.

    Observations are uint8 (height, width, 3). Arguments, reset options, reward, ends and info are those of
    `WorldModelEnv`.

    Raises:
        ValueError: the world takes texts alone.
    """

    @property
    def noop(self) -> Any:
        """The middle of every range, for `gymnasium.utils.play.play`."""
        low, high = (np.asarray(bound, np.float32) for bound in self.control_range)
        return (low + high) / 2

    def get_keys_to_action(self) -> dict[tuple[int, ...], Any]:
        """No keys: a key is on or off, and these actions are neither."""
        return {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Start an episode; see `WorldModelEnv.reset`."""
        chunk, info = super().reset(seed=seed, options=options)
        return chunk[-1].copy(), info

    def step(self, action: Any) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Act by numbers.

        Args:
            action: float array within `control_range`.

        Returns:
            observation, reward, terminated, truncated, info.

        Raises:
            ValueError: the action is no such array. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or after the end.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        chunk, reward, terminated, truncated, info = super().step(action)
        return chunk[-1].copy(), reward, terminated, truncated, info

    def _checked(self, action: Any) -> Action:
        return scale_numbers(action, *self.control_range)

    def _spaces(self) -> tuple[gym.spaces.Box, gym.Space[Any]]:
        low, high = self.control_range
        if not low:
            raise ValueError(f"world must be one with numeric actions, got {self.world!r}; use its text or Discrete id")
        actions = gym.spaces.Box(np.asarray(low, np.float32), np.asarray(high, np.float32), dtype=np.float32)
        return gym.spaces.Box(0, 255, (*self.model.card.frame_size, 3), np.uint8), actions
