"""What `make` is given, checked before anything is loaded."""

import math
from typing import Any

import numpy as np

from wm_gym.checkpoint import read_card, shipped_names


def checkpoint_of(world: str) -> str:
    """The shipped checkpoint that has a world: the one of its name, or else the first.

    Raises:
        ValueError: none has it.
    """
    worlds = {name: tuple(read_card(name).worlds) for name in shipped_names()}
    found = [name for name, known in worlds.items() if world in known]
    if not found:
        known = ", ".join(sorted({world for names in worlds.values() for world in names}))
        raise ValueError(f"world must be one of {known}, got {world!r}; pass checkpoint= for your own")
    return world if world in found else found[0]


def check_at_least(name: str, value: Any, least: int, *, whole: bool = False, optional: bool = True) -> None:
    """Check a number, which may be None where it is optional.

    Raises:
        ValueError: it is of another kind, below `least` or not finite.
    """
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    if value is None and optional:
        return
    if not (isinstance(value, kinds) and math.isfinite(value) and value >= least):
        noun = "an integer" if whole else "a finite number"
        raise ValueError(f"{name} must be {noun} and at least {least}, got {value!r}; leave it out for the default")
