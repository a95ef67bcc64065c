"""What Crafter's seventeen actions are called.

The order is the simulator's (`crafter.constants.actions`), so an index here is an action there.
"""

from envs.actions import WorldActions
from envs.crafter import handling_phrases as handling
from envs.crafter import making_phrases as making
from envs.crafter import moving_phrases as moving
from envs.crafter import placing_phrases as placing

_NAMES = (
    "wait",
    "move left",
    "move right",
    "move up",
    "move down",
    "interact",
    "sleep",
    "place stone",
    "place table",
    "place furnace",
    "plant sapling",
    "make wood pickaxe",
    "make stone pickaxe",
    "make iron pickaxe",
    "make wood sword",
    "make stone sword",
    "make iron sword",
)
_PHRASES = moving.PHRASES | handling.PHRASES | placing.PHRASES | making.PHRASES
_UNSEEN_PHRASES = moving.UNSEEN_PHRASES | handling.UNSEEN_PHRASES | placing.UNSEEN_PHRASES | making.UNSEEN_PHRASES

ACTIONS = WorldActions(
    phrases={name: _PHRASES[name] for name in _NAMES},
    unseen_phrases={name: _UNSEEN_PHRASES[name] for name in _NAMES},
    key_map={
        "left": "move left",
        "right": "move right",
        "up": "move up",
        "down": "move down",
        "space": "interact",
        "tab": "sleep",
        "r": "place stone",
        "t": "place table",
        "f": "place furnace",
        "p": "plant sapling",
        "1": "make wood pickaxe",
        "2": "make stone pickaxe",
        "3": "make iron pickaxe",
        "4": "make wood sword",
        "5": "make stone sword",
        "6": "make iron sword",
        "w": "wait",
    },
    idle="wait",
)
"""The vocabulary of the Crafter world."""
