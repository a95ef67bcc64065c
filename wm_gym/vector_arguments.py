"""What a vector env is given, checked before anything changes: counts, modes, masks, seeds and actions, one a world."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from jaxtyping import Bool

from wm_gym.actions import Action, check_text

Rows = Bool[np.ndarray, "batch"]


def check_count(name: str, value: Any) -> int:
    """The value as a count.

    Raises:
        ValueError: it is no integer from 1 up.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} must be an integer and at least 1, got {value!r}")
    return int(value)


def check_mode(mode: AutoresetMode | str) -> AutoresetMode:
    """The autoreset mode, by itself or by its value.

    Raises:
        ValueError: there is no such mode.
    """
    try:
        return AutoresetMode(mode)
    except ValueError as error:
        names = ", ".join(repr(known.value) for known in AutoresetMode)
        raise ValueError(f"autoreset_mode must be an AutoresetMode or one of {names}, got {mode!r}") from error


def check_mask(mask: Any, num_envs: int) -> Rows:
    """The worlds that a reset is for.

    Raises:
        ValueError: no bool array, one of another length, or one that chooses no world.
    """
    fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (num_envs,)
    if not fits or not mask.any():
        found = f"{mask.dtype} of shape {mask.shape}" if isinstance(mask, np.ndarray) and not fits else repr(mask)
        raise ValueError(
            f"reset_mask must be a bool array of {num_envs}, one a world, at least one of them True, got {found}; "
            "pass terminations | truncations"
        )
    chosen: Rows = mask
    return chosen


def each_seed(seed: Any, num_envs: int) -> list[int | None]:
    """One seed a world: those given, or seed + i for world i.

    Raises:
        ValueError: neither an integer from 0 up, nor one, or None, for each world.
    """
    if seed is None:
        return [None] * num_envs
    if _is_whole(seed):
        return [int(seed) + row for row in range(num_envs)]
    fits = isinstance(seed, (Sequence, np.ndarray)) and len(seed) == num_envs
    if not fits or not all(each is None or _is_whole(each) for each in seed):
        raise ValueError(f"seed must be an integer from 0 up, or {num_envs} of them, one a world, got {seed!r}")
    return [None if each is None else int(each) for each in seed]


def each_action(actions: Any, ignored: Rows, read: Callable[[Any], Action]) -> list[Action]:
    """One action a world as the model takes it; "" where it is ignored.

    Raises:
        ValueError: not as many as worlds, or one that `read` refuses, by its row.
    """
    try:
        count = None if isinstance(actions, str) else len(actions)
    except TypeError:  # a single number
        count = None
    if count != len(ignored):
        found = repr(actions) if count is None else f"{count} of them"
        raise ValueError(f"actions must be {len(ignored)} actions, one a world, got {found}")
    checked: list[Action] = []
    for row, action in enumerate(actions):
        try:
            checked.append("" if ignored[row] else read(action))
        except ValueError as error:
            raise ValueError(f"actions[{row}]: {error}") from error
    return checked


def _is_whole(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value >= 0)


def each_event(events: Any, num_envs: int) -> tuple[str, ...]:
    """What happens to each world, or nothing where nothing happens to any.

    Raises:
        ValueError: not as many texts as worlds, or one that breaks the rule.
    """
    if isinstance(events, str) or not isinstance(events, Sequence) or len(events) != num_envs:
        raise ValueError(f"events must be a list of {num_envs} texts, one a world, got {events!r}")
    told = tuple(check_text(event, "event") for event in events)
    return told if any(told) else ()
