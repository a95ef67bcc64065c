"""One image an observation, which image policies want, from chunks."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs
from jaxtyping import UInt8

Frame = UInt8[np.ndarray, "height width 3"]
Chunk = UInt8[np.ndarray, "time height width 3"]


class LastFrame(gym.ObservationWrapper[Frame, Any, Chunk], RecordConstructorArgs):
    """Give the last frame (height, width, 3) of every chunk, the observation that image policies eat.

    The rendered frames and `info` are untouched.

    Args:
        env: an env whose observations are chunks, a uint8 `Box` of shape (time, height, width, 3).

    Raises:
        ValueError: the observations are no chunks.
    """

    def __init__(self, env: gym.Env[Chunk, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.ObservationWrapper.__init__(self, env)
        space = env.observation_space
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 4 or space.dtype != np.uint8:
            raise ValueError(
                f"env must observe uint8 chunks (time, height, width, 3), got {space}; "
                "wrap an env whose observations are chunks, once"
            )
        self.observation_space = gym.spaces.Box(space.low[-1], space.high[-1], dtype=np.uint8)

    def observation(self, observation: Chunk) -> Frame:
        """The chunk's last frame, a copy."""
        frame: Frame = observation[-1].copy()
        return frame
