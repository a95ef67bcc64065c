"""What `wm-gym record` takes and does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from wm_gym.data.dataset import Dataset
from wm_gym.data.json_option import read_json_option
from wm_gym.evaluation.rollouts import load_policy


@dataclass(frozen=True, kw_only=True)
class RecordConfig:
    """What to record.

    Attributes:
        env: id for gym.make, with the module that registers it where needed ("envs:real/MiniGrid-v0").
        policy: who acts, as "module:callable" of (env, rng) -> (observation -> action).
        episodes: episodes that the dataset shall hold in the end.
        output: the dataset's folder.
        seed: reset seed of the first episode; episode i has seed + i.
        max_steps: cut longer episodes; by default the env decides.
        env_kwargs: arguments for gym.make, as JSON: '{"layout": "doorkey"}'.
        action_texts: for envs whose actions are no texts: JSON list with the text (or a list of phrasings) of every
            action, the lowest first.
        action_values: for envs with Box actions: JSON list with the value behind each of these texts.
        frame_size: height and width to resize frames to; by default they stay as they are.
    """

    env: str
    policy: str = "wm_gym.data.recording:random_policy"
    episodes: int
    output: Path
    seed: int = 0
    max_steps: int | None = None
    env_kwargs: str = "{}"
    action_texts: str | None = None
    action_values: str | None = None
    frame_size: tuple[int, int] | None = None

    def record(self) -> Dataset:
        """The dataset, once it holds all episodes.

        Raises:
            ValueError: an option that is no JSON, or that the env does not take.
        """
        from wm_gym.data.recording import record

        kwargs = read_json_option("env_kwargs", self.env_kwargs, dict)
        texts = None if self.action_texts is None else read_json_option("action_texts", self.action_texts, list)
        values = None if self.action_values is None else read_json_option("action_values", self.action_values, list)
        env = _make_env(self.env, kwargs)
        first = int(env.action_space.start) if isinstance(env.action_space, gym.spaces.Discrete) else 0
        return record(
            env,
            load_policy(self.policy),
            output=self.output,
            num_episodes=self.episodes,
            seed=self.seed,
            max_steps=self.max_steps,
            action_texts=None if texts is None else dict(enumerate(texts, start=first)),
            action_values=values,
            frame_size=self.frame_size,
        )


def _make_env(name: str, arguments: dict[str, Any]) -> gym.Env[Any, Any]:
    """Make the env to record; one whose observations are no images renders, unless `arguments` name a render mode.

    Raises:
        ValueError: it takes other arguments.
    """
    from wm_gym.data.recording import has_image_observations

    try:
        env = gym.make(name, **arguments)
        if "render_mode" in arguments or has_image_observations(env):
            return env
        if "rgb_array" in env.metadata.get("render_modes", ()):
            env.close()
            return gym.make(name, render_mode="rgb_array", **arguments)
        return env
    except TypeError as error:
        raise ValueError(f"env_kwargs must be arguments that {name} takes, got {arguments} ({error})") from error
