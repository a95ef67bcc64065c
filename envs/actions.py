"""What a world's actions are called: phrasings, keys, and the numbers of worlds that also take numbers."""

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

MAX_TEXT_LENGTH = 256
_PRINTABLE = frozenset(string.printable)


@dataclass(frozen=True, kw_only=True)
class WorldActions:
    """The action vocabulary of a world, in the order of its numbers.

    Attributes:
        phrases: name of an action -> its phrasings, the canonical one first. Recording draws from these.
        unseen_phrases: phrasings that no recording ever says: they test what the language model understands.
        transfer_phrases: phrasings left out of recordings although other worlds say them: they test whether words carry
            over from world to world.
        key_map: key as pygame names it -> text.
        idle: the name of the action that does nothing; texts that mean nothing in the world do this.
        control_low: smallest value of each number of a numeric action; empty for worlds without numbers.
        control_high: largest value of each.
        event_phrases: name of what may happen beside an action -> its phrasings; empty for worlds without events.
    """

    phrases: Mapping[str, tuple[str, ...]]
    unseen_phrases: Mapping[str, tuple[str, ...]]
    transfer_phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key_map: Mapping[str, str] = field(default_factory=dict)
    idle: str
    control_low: tuple[float, ...] = ()
    control_high: tuple[float, ...] = ()
    event_phrases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names, by number."""
        return tuple(self.phrases)

    @cached_property
    def _index_by_phrase(self) -> dict[str, int]:
        tables = (self.phrases, self.unseen_phrases, self.transfer_phrases)
        return {fold(text): self.names.index(name) for table in tables for name in table for text in table[name]}

    def index(self, text: str) -> int:
        """The number of the action that a text asks for; case and surplus spaces do not matter, unknown texts idle.

        Raises:
            ValueError: `text` is not a string, is longer than 256 characters or has characters outside
                `string.printable`.
        """
        return self._index_by_phrase.get(fold(check_text(text)), self.names.index(self.idle))

    @cached_property
    def _event_by_phrase(self) -> dict[str, str]:
        return {fold(text): name for name, texts in self.event_phrases.items() for text in texts}

    def event(self, text: str) -> str | None:
        """The name of the event that a text tells; case and surplus spaces do not matter, unknown texts tell none.

        Raises:
            ValueError: as `index` does.
        """
        return self._event_by_phrase.get(fold(check_text(text, "event")))

    def controls(self, numbers: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """A numeric action, checked.

        Raises:
            ValueError: the world takes no numbers, or these are not finite, too many, too few or out of range.
        """
        if not self.control_low:
            raise ValueError(f"action must be a text, got {numbers!r}: this world takes no numbers; say what to do")
        low, high = np.asarray(self.control_low, np.float32), np.asarray(self.control_high, np.float32)
        values = np.asarray(numbers, np.float32)
        if values.shape != low.shape or not ((values >= low) & (values <= high)).all():
            raise ValueError(
                f"action must be {len(low)} numbers from {low.tolist()} to {high.tolist()}, got {numbers!r}; clip them"
            )
        return values


def fold(text: str) -> str:
    """The text in lower case, its words one space apart."""
    return " ".join(text.lower().split())


def check_text(text: object, name: str = "action") -> str:
    """An action text if it is one; `name` is for errors.

    Raises:
        ValueError: it is not a string, is longer than 256 characters or has characters outside `string.printable`.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"{name} must be a string, got {text!r} ({type(text).__name__}); pass a text such as 'turn left', or make "
            "the world's Discrete id for integer actions"
        )
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(
            f"{name} must have at most {MAX_TEXT_LENGTH} characters, got {len(text)} ({text[:32]!r}...); shorten it"
        )
    if bad := next((character for character in text if character not in _PRINTABLE), None):
        raise ValueError(
            f"{name} must have characters of string.printable only, got {bad!r} in {text!r}; replace or remove it"
        )
    return text
