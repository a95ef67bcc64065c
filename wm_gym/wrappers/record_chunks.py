"""Films of episodes with every frame of every chunk; Gymnasium's `RecordVideo` keeps only the last of each."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
from gymnasium.error import DependencyNotInstalled
from gymnasium.utils import RecordConstructorArgs
from jaxtyping import UInt8

Chunk = UInt8[np.ndarray, "time height width 3"]

SUFFIXES = (".gif", ".mp4")


class RecordChunks(gym.Wrapper[Chunk, Any, Chunk, Any], RecordConstructorArgs):
    """Write each episode as a film, `<folder>/<name>-<number>.gif` or `.mp4`.

    A film appears when its episode ends within this wrapper, is cut short by a reset, or the env is closed. It needs no
    render mode: the frames are those of the observations. A GIF shows frames that repeat as one that stands longer.

    Args:
        env: an env whose observations are chunks; wrap it before `LastFrame`.
        folder: where films go; it is made.
        name: what their names begin with.
        suffix: ".gif", or ".mp4", which needs imageio's ffmpeg plugin.
        episode_trigger: whether to film the episode of a number, from 0 up, asked once an episode; None films all.
        frames_per_second: the pace; None takes the env's `render_fps`.

    Raises:
        ValueError: the observations are no chunks, or another suffix.
        gymnasium.error.DependencyNotInstalled: an MP4 without the plugin.
    """

    def __init__(
        self,
        env: gym.Env[Chunk, Any],
        folder: str | Path,
        name: str = "episode",
        suffix: str = ".gif",
        episode_trigger: Callable[[int], bool] | None = None,
        frames_per_second: float | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(
            self,
            folder=str(folder),
            name=name,
            suffix=suffix,
            episode_trigger=episode_trigger,
            frames_per_second=frames_per_second,
        )
        gym.Wrapper.__init__(self, env)
        space = env.observation_space
        if not isinstance(space, gym.spaces.Box) or len(space.shape) != 4 or space.dtype != np.uint8:
            raise ValueError(
                f"env must observe uint8 chunks (time, height, width, 3), got {space}; wrap it before LastFrame"
            )
        if suffix not in SUFFIXES:
            raise ValueError(f"suffix must be {' or '.join(SUFFIXES)}, got {suffix!r}")
        if suffix == ".mp4" and find_spec("imageio_ffmpeg") is None:
            raise DependencyNotInstalled(
                "an MP4 must find imageio's ffmpeg plugin, got none; "
                'run `pip install "imageio[ffmpeg]"`, or take suffix=".gif"'
            )
        self._folder, self._name, self._suffix = Path(folder), name, suffix
        self._trigger = episode_trigger or (lambda number: True)
        self._films = False  # this episode
        self._pace = frames_per_second or env.metadata["render_fps"]
        self._number = -1  # of the episode
        self._chunks: list[Chunk] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        """Start an episode and its film."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._finish()
        self._number += 1
        self._films = bool(self._trigger(self._number))
        self._film(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Chunk, Any, bool, bool, dict[str, Any]]:
        """Step and film."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._film(observation)
        if terminated or truncated:
            self._finish()
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Finish the film and close the env."""
        self._finish()
        self.env.close()

    def _film(self, chunk: Chunk) -> None:
        """Keep a chunk, where the episode is filmed."""
        if self._films:
            self._chunks.append(chunk.copy())

    def _finish(self) -> None:
        """Write the film, if there is any."""
        if not self._chunks:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{self._number:04}{self._suffix}"
        frames = np.concatenate(self._chunks)
        self._chunks = []
        if self._suffix == ".gif":
            imageio.imwrite(path, frames, duration=1000 / self._pace, loop=0)  # ms a frame
        else:
            even = [(0, side % 2) for side in frames.shape[1:3]]  # the codec wants even sides
            padded = np.pad(frames, [(0, 0), *even, (0, 0)])
            imageio.imwrite(path, padded, plugin="FFMPEG", fps=self._pace, macro_block_size=2)
