"""What a learned world takes as an action: a text, or numbers."""

import string
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_ACTION_LENGTH = 256

Action: TypeAlias = str | NDArray[np.floating[Any]]
"""A text, or numbers in [-1, 1]."""


def check_text(action: object, name: str = "action") -> str:
    """The action if it is a text that a world takes, printable ASCII of at most 256 characters; `name` is for errors.

    Raises:
        ValueError: anything else.
    """
    if not isinstance(action, str):
        raise ValueError(f"{name} must be a string such as 'turn left', got {action!r} of type {type(action).__name__}")
    if len(action) > MAX_ACTION_LENGTH:
        raise ValueError(f"{name} must have at most {MAX_ACTION_LENGTH} characters, got {len(action)}; shorten it")
    if bad := sorted(set(action) - set(string.printable)):
        raise ValueError(f"{name} must be printable ASCII (string.printable), got {bad} in {action!r}; leave them out")
    return action


def check_numbers(action: NDArray[Any], most: int) -> NDArray[np.float32]:
    """The numbers of a numeric action.

    Raises:
        ValueError: they are not from one up to `most` numbers in [-1, 1].
    """
    is_row = action.ndim == 1 and action.dtype.kind in "fiu" and 1 <= len(action) <= most
    if not is_row or not (np.abs(action) <= 1).all():
        rule = f"must be 1 to {most} numbers in [-1, 1]" if most else "must be a text: this checkpoint takes no numbers"
        raise ValueError(f"action {rule}, got {action!r}; scale them by the world's control_low and control_high")
    return action.astype(np.float32)


def scale_numbers(action: Any, low: tuple[float, ...], high: tuple[float, ...]) -> NDArray[np.float32]:
    """A world's own numbers, in [low, high], as numbers in [-1, 1].

    Raises:
        ValueError: the world takes no numbers, or these are too many, too few, not finite or out of range.
    """
    if not low:
        raise ValueError(f"action must be a text, got {action!r}: this world takes no numbers; say what to do")
    lowest, highest = np.asarray(low, np.float32), np.asarray(high, np.float32)
    try:
        values = np.asarray(action, np.float32)
        fits = values.shape == lowest.shape and bool(((values >= lowest) & (values <= highest)).all())
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"action must be {len(low)} numbers from {list(low)} to {list(high)}, got {action!r}; clip them"
        )
    scaled: NDArray[np.float32] = np.clip(2 * (values - lowest) / (highest - lowest) - 1, -1, 1).astype(np.float32)
    return scaled
