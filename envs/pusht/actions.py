"""The actions of the PushT world: eight pushes and waiting, each with its texts and its two numbers.

A numeric action is a displacement of the pusher in units of `REACH` workspace pixels, x to the right and y down, each
from -1 to 1. The texts stand for its corners, its edges' middles and zero: diagonals are longer, as a chess king's.
"""

from envs.actions import WorldActions
from envs.pusht.diagonal_phrases import DIAGONAL_PHRASES
from envs.pusht.straight_phrases import STRAIGHT_PHRASES
from envs.pusht.unseen_phrases import UNSEEN_PHRASES

REACH = 24.0  # workspace pixels: 3 pixels of a frame

NUMBERS: dict[str, tuple[float, float]] = {
    "push up": (0.0, -1.0),
    "push down": (0.0, 1.0),
    "push left": (-1.0, 0.0),
    "push right": (1.0, 0.0),
    "push to the upper left": (-1.0, -1.0),
    "push to the upper right": (1.0, -1.0),
    "push to the lower left": (-1.0, 1.0),
    "push to the lower right": (1.0, 1.0),
    "wait": (0.0, 0.0),
}
"""Name of an action -> its numbers."""

_PHRASES = STRAIGHT_PHRASES | DIAGONAL_PHRASES

ACTIONS = WorldActions(
    phrases={name: _PHRASES[name] for name in NUMBERS},
    unseen_phrases=UNSEEN_PHRASES,
    key_map={
        "up": "push up",
        "down": "push down",
        "left": "push left",
        "right": "push right",
        "w": "push up",
        "s": "push down",
        "a": "push left",
        "d": "push right",
        "q": "push to the upper left",
        "e": "push to the upper right",
        "z": "push to the lower left",
        "c": "push to the lower right",
        "space": "wait",
    },
    idle="wait",
    control_low=(-1.0, -1.0),
    control_high=(1.0, 1.0),
)
