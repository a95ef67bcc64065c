"""The actions of the Balls world: four pushes of the red ball, and waiting while the laws do their work."""

from envs.actions import WorldActions

PUSHES: dict[str, tuple[float, float]] = {
    "push left": (-1.0, 0.0),
    "push right": (1.0, 0.0),
    "push up": (0.0, -1.0),
    "push down": (0.0, 1.0),
    "wait": (0.0, 0.0),
}
"""Name of an action -> its direction, x to the right and y down."""

_SIDES = ("left", "right", "up", "down")
_VERBS = ("push", "kick", "knock", "shove", "hit", "nudge", "drive", "strike")
_BALLS = ("", " the ball", " it", " the red ball")
_UNSEEN = ("give the ball a tap {}", "make the ball go {}", "bat it {}", "send the red one {}", "a little faster {}")
_WAIT = (
    "wait", "", "do nothing", "just watch", "watch", "stay", "stand by", "stand back", "let it roll", "let it fly",
    "let it be", "let the ball go", "let the ball roll", "leave it", "leave it alone", "leave the ball alone",
    "no push", "no kick", "hands off", "hold still", "keep still", "keep watching", "keep waiting", "do not touch it",
    "don't touch the ball", "don't push", "wait and see", "see what happens", "let time pass", "pause", "idle",
)  # fmt: skip
_UNSEEN_WAIT = ("look on", "sit this one out", "let physics do its work", "touch nothing", "only observe")

ACTIONS = WorldActions(
    phrases={f"push {side}": tuple(f"{verb}{ball} {side}" for ball in _BALLS for verb in _VERBS) for side in _SIDES}
    | {"wait": _WAIT},
    unseen_phrases={f"push {side}": tuple(text.format(side) for text in _UNSEEN) for side in _SIDES}
    | {"wait": _UNSEEN_WAIT},
    key_map={side: f"push {side}" for side in _SIDES} | {"space": "wait"},
    idle="wait",
)
"""The vocabulary of the Balls world."""
