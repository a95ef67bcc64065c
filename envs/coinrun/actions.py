"""What CoinRun's seven actions are called.

Of procgen's 15 actions eight are keys without a use here. Down only does something on a crate, which lets the player
through, so down with left or right is left out.
"""

from envs.actions import WorldActions
from envs.coinrun import jumping_phrases as jumping
from envs.coinrun import running_phrases as running

PROCGEN_ACTIONS = {
    "wait": 4,
    "run left": 1,
    "run right": 7,
    "jump": 5,
    "jump left": 2,
    "jump right": 8,
    "drop down": 3,
}
"""Name -> procgen's number."""

_PHRASES = running.PHRASES | jumping.PHRASES
_UNSEEN_PHRASES = running.UNSEEN_PHRASES | jumping.UNSEEN_PHRASES

ACTIONS = WorldActions(
    phrases={name: _PHRASES[name] for name in PROCGEN_ACTIONS},
    unseen_phrases={name: _UNSEEN_PHRASES[name] for name in PROCGEN_ACTIONS},
    transfer_phrases=running.TRANSFER_PHRASES,
    key_map={
        "left": "run left",
        "right": "run right",
        "up": "jump",
        "space": "jump",
        "q": "jump left",
        "e": "jump right",
        "down": "drop down",
        "w": "wait",
    },
    idle="wait",
)
"""The vocabulary of the CoinRun world."""
