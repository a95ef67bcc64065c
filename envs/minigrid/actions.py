"""What MiniGrid's seven actions are called, and what may happen beside them.

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
    event_phrases={
        "doors open": (
            "the doors open",
            "all doors open",
            "the doors swing open",
            "a draught blows the doors open",
            "every unlocked door opens",
            "somebody opens the doors",
        ),
        "doors close": (
            "the doors close",
            "all doors close",
            "the doors fall shut",
            "a draught slams the doors",
            "every open door shuts",
            "somebody closes the doors",
        ),
        "agent turned": (
            "the agent is turned around",
            "the agent finds itself facing backwards",
            "the room turns the agent round",
            "a gust turns the agent about",
            "something spins the agent half a turn",
            "the agent now faces the other way",
        ),
    },
)
"""The vocabulary of the MiniGrid world; its events are ours, MiniGrid itself has none."""
