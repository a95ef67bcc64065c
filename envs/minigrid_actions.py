"""What MiniGrid's seven actions are called: texts, their phrasings and the keys that stand for them.

The order is the simulator's (`minigrid.core.actions.Actions`), so an index here is an action there.
"""

import string

ACTION_PHRASES: dict[str, tuple[str, ...]] = {
    "turn left": (
        "turn left",
        "rotate to the left",
        "rotate left",
        "go left",
        "face left",
        "turn to your left",
        "spin counterclockwise",
        "left",
    ),
    "turn right": (
        "turn right",
        "rotate to the right",
        "rotate right",
        "go right",
        "face right",
        "turn to your right",
        "spin clockwise",
        "right",
    ),
    "move forward": (
        "move forward",
        "go forward",
        "walk forward",
        "step forward",
        "go straight ahead",
        "advance",
        "take a step",
        "forward",
    ),
    "pick up": (
        "pick up",
        "pick up the object",
        "grab it",
        "take the object",
        "lift the object in front of you",
        "collect it",
        "pick it up",
    ),
    "drop": (
        "drop",
        "drop it",
        "put it down",
        "put down the object",
        "let go of it",
        "release the object",
        "place it in front of you",
    ),
    "toggle": (
        "toggle",
        "open the door",
        "close the door",
        "use the door",
        "unlock the door",
        "open the box",
        "use it",
        "interact",
    ),
    "wait": ("wait", "", "do nothing", "stay", "stand still", "stay where you are", "pause", "no action"),
}
"""Name -> phrasings; the first is the canonical one."""

KEY_MAP: dict[str, str] = {
    "left": "turn left",
    "right": "turn right",
    "up": "move forward",
    "p": "pick up",
    "d": "drop",
    "space": "toggle",
    "w": "wait",
}
"""pygame key name -> text."""

MAX_TEXT_LENGTH = 256

_WAIT = list(ACTION_PHRASES).index("wait")
_INDEX_BY_PHRASE = {phrase: index for index, phrases in enumerate(ACTION_PHRASES.values()) for phrase in phrases}
_PRINTABLE = frozenset(string.printable)


def action_index(text: str) -> int:
    """The simulator's action for a text.

    Case and surplus spaces do not matter. A text outside `ACTION_PHRASES` waits.

    Raises:
        ValueError: `text` is not a string, is longer than 256 characters or has characters outside `string.printable`.
    """
    if not isinstance(text, str):
        raise ValueError(
            f"action must be a string, got {text!r} ({type(text).__name__}); pass a text such as 'turn left', "
            "or make 'envs:real/MiniGridDiscrete-v0' for integer actions"
        )
    if len(text) > MAX_TEXT_LENGTH:
        raise ValueError(
            f"action must have at most {MAX_TEXT_LENGTH} characters, got {len(text)} ({text[:32]!r}...); shorten it"
        )
    if bad := next((character for character in text if character not in _PRINTABLE), None):
        raise ValueError(
            f"action must have characters of string.printable only, got {bad!r} in {text!r}; replace or remove it"
        )
    return _INDEX_BY_PHRASE.get(" ".join(text.lower().split()), _WAIT)
