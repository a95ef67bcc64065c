"""The learned world with numbered actions and one frame an observation: what stable-baselines3 eats."""

from typing import Any

import gymnasium as gym
import numpy as np

from wm_gym.env import Frame, WorldModelEnv


class DiscreteWorldModelEnv(WorldModelEnv):
    """`WorldModelEnv` with `Discrete(n)` actions, in the order of `action_phrases`, and its chunk's last frame.

    Action i says the first phrasing of the world's action i. Observations are uint8 (height, width, 3). Arguments,
    reset options, reward, ends and info are those of `WorldModelEnv`.
    """

    @property
    def noop(self) -> int:
        """The number of the action that does nothing; where no phrasing is "", 0."""
        phrasings = list(self.action_phrases.values())
        return next((index for index, texts in enumerate(phrasings) if "" in texts), 0)

    def get_keys_to_action(self) -> dict[tuple[int, ...], int]:
        """Pressed keys (pygame key codes) to action numbers; keys of other texts than the world's are left out."""
        phrasings = list(self.action_phrases.values())
        keys: dict[tuple[int, ...], str] = super().get_keys_to_action()
        return {key: index for key, text in keys.items() for index, texts in enumerate(phrasings) if text in texts}

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
        """
        if action not in self.action_space:
            raise ValueError(
                f"action must be an integer from 0 to {len(self.action_phrases) - 1}, got {action!r}; "
                "get_action_meanings() lists them"
            )
        chunk, reward, terminated, truncated, info = super().step(self.get_action_meanings()[int(action)])
        return chunk[-1].copy(), reward, terminated, truncated, info

    def _spaces(self) -> tuple[gym.spaces.Box, gym.Space[Any]]:
        card = self.model.card
        frame = gym.spaces.Box(0, 255, (*card.frame_size, 3), np.uint8)
        return frame, gym.spaces.Discrete(len(card.action_phrases))
