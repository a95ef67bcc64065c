"""The learned world with numbered actions and one frame an observation: what stable-baselines3 eats."""

from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.env import Frame, WorldModelEnv
from wm_gym.numbered_texts import NumberedTexts, phrasings_of


class DiscreteWorldModelEnv(WorldModelEnv):
    """`WorldModelEnv` with `Discrete(n)` actions, in the order of `action_phrases`, and its chunk's last frame.

    Action i says the first phrasing of the world's action i. Observations are uint8 (height, width, 3). Arguments,
    reset options, reward, ends and info are those of `WorldModelEnv`.
    """

    @property
    def noop(self) -> int:
        """The number of the action that does nothing; where no phrasing is "", 0."""
        return self._numbered.noop(phrasings_of(self.action_phrases, ""))

    def get_keys_to_action(self) -> dict[tuple[int, ...], int]:
        """Pressed keys (pygame key codes) to action numbers; keys of other texts are left out."""
        return self._numbered.keys(super().get_keys_to_action())

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Start an episode; see `WorldModelEnv.reset`."""
        chunk, info = super().reset(seed=seed, options=options)
        return chunk[-1].copy(), info

    def step(self, action: Any) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Take an action by its number.

        Args:
            action: integer in [0, n).

        Returns:
            observation, reward, terminated, truncated, info.

        Raises:
            ValueError: the action is no such integer. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or after the end.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        chunk, reward, terminated, truncated, info = super().step(self._numbered.text(action))
        return chunk[-1].copy(), reward, terminated, truncated, info

    @property
    def _numbered(self) -> NumberedTexts:
        return NumberedTexts(tuple(self.get_action_meanings()))

    def _spaces(self) -> tuple[gym.spaces.Box, gym.Space[Any]]:
        return gym.spaces.Box(0, 255, (*self.model.card.frame_size, 3), np.uint8), self._numbered.space
