"""A recorded episode as a twin: the dream plays its actions from its first frame, beside what was recorded."""

from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.data.dataset import Dataset
from wm_gym.play.pilot import Env, Pilot, Policy

Chunk = UInt8[np.ndarray, "time height width 3"]


class RecordedEnv(gym.Env[Chunk, Any]):
    """Shows the episodes of a dataset, step by step, whatever the actions are. `reset(seed=i)` begins episode i.

    Attributes:
        world: the name of the recorded world.

    Args:
        dataset: the episodes.
    """

    def __init__(self, dataset: Dataset) -> None:
        manifest = dataset.manifest
        self.metadata = {"render_modes": [], "render_fps": manifest.render_fps}
        shape = (manifest.chunk_frames, *manifest.frame_size, 3)
        self.observation_space = gym.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gym.spaces.Text(min_length=0, max_length=256)
        self.world = manifest.world
        self.action_phrases = manifest.action_phrases
        self.key_map = manifest.key_map
        self.control_range = (manifest.control_low, manifest.control_high)
        self._dataset = dataset
        self._episode = dataset[0]
        self._step = 0

    @property
    def action(self) -> Any:
        """What was done next: a text, or numbers."""
        controls = self._episode.controls
        if controls is not None and np.isfinite(controls[self._step]).all():
            return controls[self._step]
        return self._episode.actions[self._step]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        """Begin episode number `seed`, counted round."""
        super().reset(seed=seed)
        self._episode = self._dataset[(seed or 0) % len(self._dataset)]
        self._step = 0
        return self._episode.observations[0].copy(), dict(self._episode.info)

    def step(self, action: Any) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        """Go on by one recorded step."""
        step, episode = self._step, self._episode
        self._step += 1
        event = episode.world_events[step] if episode.world_events else ""
        info = {"event": event} if event else {}
        ended = bool(episode.terminated[step]), self._step == episode.num_steps and not episode.terminated[step]
        return episode.observations[step + 1].copy(), float(episode.rewards[step]), ended[0], bool(ended[1]), info

    def clone_state(self, include_rng: bool = False) -> Any:
        """Which episode, and where in it."""
        return self._episode, self._step

    def restore_state(self, state: Any) -> None:
        """Go back to a state of `clone_state`."""
        self._episode, self._step = state


def recorded_pilot() -> Pilot:
    """The policy that does what was recorded."""

    def factory(env: Env, rng: np.random.Generator) -> Policy:
        recorded: Any = env.unwrapped
        return lambda chunk: recorded.action

    return Pilot(name="the recording", factory=factory, needs_twin=True)
