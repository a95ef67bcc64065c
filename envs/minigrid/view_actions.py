"""What the actions of the world seen from within are called: MiniGrid's words for moving and for waiting."""

from envs.actions import WorldActions
from envs.minigrid import moving_phrases as moving

ACTIONS = WorldActions(
    phrases=moving.PHRASES,
    unseen_phrases=moving.UNSEEN_PHRASES,
    key_map={"left": "turn left", "right": "turn right", "up": "move forward", "w": "wait"},
    idle="wait",
)
"""Turn left, turn right, move forward, wait: in the order of their numbers."""
