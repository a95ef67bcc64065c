"""Texts by number: what a `Discrete` action space says to a world of texts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym


@dataclass(frozen=True)
class NumberedTexts:
    """Action i says `texts[i]`.

    Attributes:
        texts: at least one.
    """

    texts: tuple[str, ...]

    @property
    def space(self) -> gym.spaces.Discrete:
        """`Discrete(n)`."""
        return gym.spaces.Discrete(len(self.texts))

    def text(self, action: Any) -> str:
        """The text of an action.

        Raises:
            ValueError: `action` is no integer in [0, n).
        """
        if action not in self.space:
            raise ValueError(
                f"action must be an integer from 0 to {len(self.texts) - 1}, got {action!r}; "
                "get_action_meanings() lists them"
            )
        return self.texts[int(action)]

    def keys(self, keys: Mapping[tuple[int, ...], str]) -> dict[tuple[int, ...], int]:
        """Keys to numbers; those of other texts are left out."""
        return {key: self.texts.index(text) for key, text in keys.items() if text in self.texts}

    def noop(self, idle: Collection[str]) -> int:
        """The number of the first text among `idle`, the phrasings of doing nothing; where there is none, 0."""
        return next((number for number, text in enumerate(self.texts) if text in idle), 0)


def phrasings_of(action_phrases: Mapping[str, tuple[str, ...]], text: str) -> tuple[str, ...]:
    """All phrasings of the action that `text` is a phrasing of, or `text` alone."""
    return next((phrases for phrases in action_phrases.values() if text in phrases), (text,))
