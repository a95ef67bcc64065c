"""Policies that do not look: factories `(num_actions, rng)` of policies for `wm-gym evaluate --transfer`."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BatchPolicy: TypeAlias = Callable[[Any], NDArray[Any]]

STICKINESS = 0.75
"""How likely `sticky` repeats an action."""


def uniform(num_actions: int, rng: np.random.Generator) -> BatchPolicy:
    """Every action equally likely at every step."""
    return lambda observations: rng.integers(num_actions, size=len(observations))


def sticky(num_actions: int, rng: np.random.Generator) -> BatchPolicy:
    """Uniform, but it often repeats its last action; it starts anew where the number of worlds changes."""
    last = np.zeros(0, np.int64)

    def act(observations: Any) -> NDArray[Any]:
        nonlocal last
        fresh = rng.integers(num_actions, size=len(observations))
        repeats = rng.random(len(observations)) < STICKINESS
        last = np.where(repeats, last, fresh) if len(last) == len(fresh) else fresh
        return last

    return act
