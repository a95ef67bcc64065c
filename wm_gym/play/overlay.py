"""What a picture shows beside the scene: what the window knows and the session does not."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """The window's own part of a picture.

    Attributes:
        mode: who moves the world: "waits for you", "time runs", who drives.
        steps_per_second: how fast steps came lately; 0 when none did.
        thinking_seconds: for how long the model has been at it, whole seconds.
        filming: whether a film runs.
        hud: whether the numbers are shown.
        help: labels and meanings of the keys; empty while the help is closed.
        line: what stands on the text line; None while it is closed.
    """

    mode: str = ""
    steps_per_second: float = 0.0
    thinking_seconds: int = 0
    filming: bool = False
    hud: bool = True
    help: tuple[tuple[str, str], ...] = ()
    line: str | None = None
