"""Actions of other formats as texts (by a table) or as numbers."""

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

MAX_TEXT_LENGTH = 256
Controls = Float32[np.ndarray, "steps numbers"]


def is_sayable(text: object) -> bool:
    """Whether a learned world takes it as an action: printable ASCII of at most 256 characters."""
    return isinstance(text, str) and len(text) <= MAX_TEXT_LENGTH and set(text) <= set(string.printable)


@dataclass(frozen=True, kw_only=True)
class ActionTable:
    """What each action of a dataset is called.

    Attributes:
        phrases: action index to its phrasings, the first is canonical.
        values: the action behind each index, where actions are rows of numbers; empty where the index is the action.
    """

    phrases: dict[int, tuple[str, ...]]
    values: tuple[tuple[float, ...], ...] = ()

    @classmethod
    def of(
        cls, texts: Sequence[Any] | Mapping[Any, Any], values: Sequence[Any] | None = None, *, first: int = 0
    ) -> "ActionTable":
        """Reads a table as users write it.

        Args:
            texts: a text, or a list of phrasings, for every action from the lowest on; or action index to them.
            values: the numbers behind each text, where actions are numbers.
            first: the lowest action's index, where `texts` is a list.

        Raises:
            ValueError: a text that no learned world takes, or tables that do not go together.
        """
        pairs = texts.items() if isinstance(texts, Mapping) else enumerate(texts, start=0 if values else first)
        phrases = {int(index): (each,) if isinstance(each, str) else tuple(each) for index, each in pairs}
        for options in phrases.values():
            if bad := [text for text in options if not is_sayable(text)] or ([] if options else [options]):
                rule = f"must be printable ASCII of at most {MAX_TEXT_LENGTH} characters"
                raise ValueError(f"action_texts {rule}, got {bad[0]!r}; reword it")
        rows = tuple(tuple(np.atleast_1d(np.asarray(row, np.float64)).tolist()) for row in values or ())
        if rows and (set(phrases) != set(range(len(rows))) or len({len(row) for row in rows}) != 1):
            raise ValueError(
                f"action_values must be one row of numbers for each of the {len(phrases)} action_texts, all of one "
                f"length, got {len(rows)} rows {list(rows)[:4]}"
            )
        return cls(phrases=phrases, values=rows)

    def say(self, actions: np.ndarray, seed: Sequence[int], where: str) -> tuple[str, ...]:
        """The text of every action, one of its phrasings drawn from a generator of `seed`.

        Raises:
            ValueError: an action that the table lacks; names its step.
        """
        rng = np.random.default_rng(seed)
        texts = []
        for step, action in enumerate(np.asarray(actions).reshape(len(actions), -1)):
            options = self.phrases.get(self._index(action))
            if not options:
                raise ValueError(
                    f"{where}: action {action.tolist()} of step {step} must be in action_texts; add it to the table"
                )
            texts.append(options[int(rng.integers(len(options)))])
        return tuple(texts)

    def _index(self, action: np.ndarray) -> int:
        """The index of an action, -1 where the table lacks it."""
        if not self.values:
            return int(action[0]) if action.size == 1 and action[0] == int(action[0]) else -1
        if action.size != len(self.values[0]):
            return -1
        near = np.isclose(np.asarray(self.values), action, rtol=1e-5, atol=1e-6).all(axis=1)
        return int(near.argmax()) if near.any() else -1

    @property
    def action_phrases(self) -> dict[str, tuple[str, ...]]:
        """Action name, its canonical text, to phrasings."""
        return {options[0]: options for options in self.phrases.values()}

    def to_json(self) -> str:
        """The table as text: equal for equal tables."""
        return json.dumps([sorted(self.phrases.items()), self.values])


def as_numbers(actions: Any, where: str) -> Controls:
    """Actions as one row of numbers a step.

    Raises:
        ValueError: indices, which need a table; or no finite numbers.
    """
    rows = np.asarray(actions)
    if rows.dtype.kind not in "fiu" or rows.ndim == 0:
        raise ValueError(f"{where}: actions must be texts or numbers, got {rows.dtype} {rows.shape}; convert them")
    if rows.dtype.kind in "iu" and rows.reshape(len(rows), -1).shape[1] == 1:
        raise ValueError(
            f"{where}: actions are indices (such as {rows.ravel()[:4].tolist()}) and must have texts; "
            'pass --action-texts \'["first", "second", ...]\''
        )
    numbers = rows.reshape(len(rows), -1).astype(np.float32)
    if not np.isfinite(numbers).all():
        step = int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])
        raise ValueError(f"{where}: actions must be finite, got {numbers[step].tolist()} at step {step}; repair it")
    return numbers


def control_range(low: np.ndarray, high: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The range of each number of an action; one that never changes gets 1 to either side, to be 0 when scaled."""
    low, high = np.asarray(low, np.float64).ravel(), np.asarray(high, np.float64).ravel()
    fixed = high <= low
    low, high = np.where(fixed, low - 1, low), np.where(fixed, high + 1, high)
    return tuple(map(float, low.astype(np.float32))), tuple(map(float, high.astype(np.float32)))
