"""How a world is played in a window."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WindowConfig:
    """What a window must know of its world and its players.

    Attributes:
        frames_per_second: the world's pace.
        chunk_frames: frames a step.
        key_map: name of a key -> text.
        low: smallest value of each number of a numeric action; empty in worlds of texts.
        high: largest value of each.
        runs: whether time runs while nobody acts; else the world waits for its player.
        pilot: name of the policy that can drive, "" for none.
        drives: whether it does from the start.
    """

    frames_per_second: float
    chunk_frames: int
    key_map: dict[str, str]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    runs: bool = False
    pilot: str = ""
    drives: bool = False

    @property
    def step_seconds(self) -> float:
        """How long a step lasts."""
        return self.chunk_frames / self.frames_per_second
