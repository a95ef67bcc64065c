"""Texts by number, which libraries want that know only integers."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from wm_gym.numbered_texts import NumberedTexts, phrasings_of


class DiscreteActions(gym.ActionWrapper[Any, np.int64, str], RecordConstructorArgs):
    """Choose among texts by number: `Discrete(n)`, action i says `phrases[i]`.

    Args:
        env: an env with text actions.
        phrases: the texts, at least one; None takes the first phrasing of every action of the world, in the order of
            `env.unwrapped.action_phrases`.

    Raises:
        ValueError: the env takes no texts, `phrases` is empty, or a phrase is outside the env's action space.
    """

    def __init__(self, env: gym.Env[Any, str], phrases: Sequence[str] | None = None) -> None:
        RecordConstructorArgs.__init__(self, phrases=None if phrases is None else list(phrases))
        gym.ActionWrapper.__init__(self, env)
        if not isinstance(env.action_space, gym.spaces.Text):
            raise ValueError(f"env must take text actions, got {env.action_space}; wrap the text id of the world, once")
        texts = _canonical_phrases(env) if phrases is None else phrases
        if not texts:
            raise ValueError("phrases must hold at least one text, got none; leave it out for the world's own actions")
        for text in texts:
            if text not in env.action_space:
                raise ValueError(f"phrases must be texts that the env's action space allows, got {text!r}; reword it")
        self._numbered = NumberedTexts(tuple(texts))
        self.action_space = self._numbered.space

    def action(self, action: Any) -> str:
        """The text of action number `action`.

        Raises:
            ValueError: `action` is no integer in [0, n).
        """
        return self._numbered.text(action)

    def get_action_meanings(self) -> list[str]:
        """The text of every action, in order."""
        return list(self._numbered.texts)

    def get_keys_to_action(self) -> dict[tuple[int, ...], int]:
        """Pressed keys (pygame key codes) to action numbers, for `gymnasium.utils.play.play`.

        Keys of texts that are not among the phrases are left out. `play(env, noop=env.get_wrapper_attr("noop"))` stands
        still while no key is pressed.
        """
        keys: dict[tuple[int, ...], str] = self.env.get_wrapper_attr("get_keys_to_action")()
        return self._numbered.keys(keys)

    @property
    def noop(self) -> int:
        """The number of the action that does nothing; where no phrase says so, 0."""
        return self._numbered.noop(phrasings_of(self.env.get_wrapper_attr("action_phrases"), ""))


def _canonical_phrases(env: gym.Env[Any, Any]) -> list[str]:
    """The first phrasing of every action of the world."""
    action_phrases: dict[str, tuple[str, ...]] = env.get_wrapper_attr("action_phrases")
    return [phrases[0] for phrases in action_phrases.values()]
