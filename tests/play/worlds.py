"""Small worlds to play: one whose frames betray every action ever taken, slow or without saved states if asked."""

import hashlib
import string
import time
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

SIDE = 8  # pixels

Chunk = UInt8[np.ndarray, "time height width channel"]


class Ledger(gym.Env[Chunk, Any]):
    """Its frame is a hash of the seed and of all actions since: two histories never look alike.

    "good" gives 1, "bad" gives -1, "end" terminates, "think" takes `step_seconds`, "break" breaks the env.

    Args:
        chunk_frames: frames a step.
        step_seconds: how long "think" takes.
        numbers: how many numbers an action of numbers has; 0 for texts only.
    """

    world = "ledger"
    action_phrases: ClassVar[dict[str, tuple[str, ...]]] = {"good": ("good",), "bad": ("bad",), "wait": ("wait", "")}
    key_map: ClassVar[dict[str, str]] = {"left": "good", "right": "bad", "t": "think", "1": "one"}

    def __init__(self, chunk_frames: int = 1, step_seconds: float = 0.0, numbers: int = 0) -> None:
        self.metadata = {"render_modes": [], "render_fps": 50}
        self.observation_space = gym.spaces.Box(0, 255, (chunk_frames, SIDE, SIDE, 3), np.uint8)
        self.action_space = gym.spaces.Text(min_length=0, max_length=256, charset=string.printable)
        self.control_range = ((-1.0,) * numbers, (1.0,) * numbers)
        self.num_steps = 0  # in all, also those of replays
        self._step_seconds = step_seconds
        self._digest = b""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        """Forget all actions."""
        super().reset(seed=seed)
        frames = (options or {}).get("frames")
        self._digest = hashlib.sha256(f"{seed} {None if frames is None else frames.tobytes()}".encode()).digest()
        return self._draw(), {"name": f"ledger {seed}"}

    def step(self, action: Any) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        """Write an action into the ledger."""
        text = action if isinstance(action, str) else ""
        if not text.isascii():
            raise ValueError(f"action must be ASCII, got {text!r}")
        if text == "break":
            raise RuntimeError("the ledger broke")
        if text == "think":
            time.sleep(self._step_seconds)
        self.num_steps += 1
        self._digest = hashlib.sha256(self._digest + repr(action).encode()).digest()
        return self._draw(), float(text == "good") - float(text == "bad"), text == "end", False, {"uncertainty": 0.25}

    def _draw(self) -> Chunk:
        shape = self.observation_space.shape or ()
        rng = np.random.default_rng(list(self._digest))
        return rng.integers(0, 256, shape, dtype=np.uint8)


class SavedLedger(Ledger):
    """A ledger that can save its state."""

    def clone_state(self, include_rng: bool = False) -> Any:
        """The digest."""
        return self._digest

    def restore_state(self, state: Any) -> None:
        """Go back to a digest."""
        self._digest = state


class OtherWorld(Ledger):
    """A ledger of another world."""

    world = "diary"
