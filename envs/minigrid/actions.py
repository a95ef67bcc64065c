"""What MiniGrid's seven actions are called.

The order is the simulator's (`minigrid.core.actions.Actions`), so an index here is an action there.
"""

from envs.actions import WorldActions
from envs.minigrid import handling_phrases as handling
from envs.minigrid import moving_phrases as moving

_NAMES = ("turn left", "turn right", "move forward", "pick up", "drop", "toggle", "wait")
_PHRASES = moving.PHRASES | handling.PHRASES
_UNSEEN_PHRASES = moving.UNSEEN_PHRASES | handling.UNSEEN_PHRASES

ACTIONS = WorldActions(
    phrases={name: _PHRASES[name] for name in _NAMES},
    unseen_phrases={name: _UNSEEN_PHRASES[name] for name in _NAMES},
    key_map={
        "left": "turn left",
        "right": "turn right",
        "up": "move forward",
        "p": "pick up",
        "d": "drop",
        "space": "toggle",
        "w": "wait",
    },
    idle="wait",
)
"""The vocabulary of the MiniGrid world."""
