"""Recording: play a policy in any Gymnasium env and keep every frame and text in a dataset.

Episode i is reset with `seed + i` and its policy draws from a generator of that seed, so a recording that was stopped
and resumed equals one that was not.
"""

import inspect
import json
import os
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest, current_versions

Env: TypeAlias = gym.Env[Any, Any]
Policy: TypeAlias = Callable[[Any], Any]
PolicyFactory: TypeAlias = Callable[[Env, np.random.Generator], Policy]
Frames: TypeAlias = UInt8[np.ndarray, "chunk height width channel"]

_TEXTS = gym.spaces.Text(min_length=0, max_length=256, charset=string.printable)  # what a learned world takes


def record(
    env: Env,
    policy_factory: PolicyFactory,
    *,
    output: str | os.PathLike[str],
    num_episodes: int,
    seed: int = 0,
    max_steps: int | None = None,
    action_texts: Mapping[int, str | Sequence[str]] | None = None,
    action_values: Sequence[npt.ArrayLike] | None = None,
    frame_size: tuple[int, int] | None = None,
    progress: bool = True,
) -> Dataset:
    """Records episodes until the dataset holds `num_episodes`; run again after a stop, it goes on where it was.

    The world's name, phrasings, keys and chunk length are read off `env.unwrapped` where it has them.

    Args:
        env: any Gymnasium env. Frames are its observations when these are uint8 images, (height, width, 3) or
            (chunk_frames, height, width, 3), else `env.render()` with `render_mode="rgb_array"`.
        policy_factory: called after each reset with the env and the episode's generator; returns the policy.
        output: the dataset's folder.
        num_episodes: episodes that the dataset shall hold in the end, at least 1.
        seed: the reset seed of episode 0, at least 0.
        max_steps: truncates longer episodes; None leaves it to the env.
        action_texts: for envs whose actions are no texts: action index to text or phrasings (one is drawn a step).
        action_values: for envs whose actions are neither texts nor indices (Box): the action behind each index.
        frame_size: height and width to resize frames to (the only step that loses anything), None keeps them.
        progress: whether to show a bar.

    Returns:
        The dataset, opened.

    Raises:
        ValueError: when an argument is out of range or the env gives neither frames nor texts.
        DatasetError: when `output` holds another recording, is corrupt, or the disk is full; what is recorded is kept.
    """
    for name, value, least in (("num_episodes", num_episodes, 1), ("seed", seed, 0), ("max_steps", max_steps, 1)):
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if frame_size is not None and min(frame_size) < 1:
        raise ValueError(f"frame_size must be at least 1 pixel in height and width, got {frame_size}")
    texts = ActionTexts.of(env, action_texts, action_values)
    camera = _Camera(env, frame_size)
    manifest = _manifest(env, camera, texts, policy=_name(policy_factory), seed=seed, max_steps=max_steps)
    with DatasetWriter.open(output, manifest) as writer:
        with tqdm(total=num_episodes, initial=len(writer), disable=not progress, unit="episode", desc="record") as bar:
            while len(writer) < num_episodes:
                writer.append(_play(env, policy_factory, camera, texts, seed + len(writer), max_steps))
                bar.update()
    return Dataset.open(output)


def random_policy(env: Env, rng: np.random.Generator) -> Policy:
    """Makes a policy that acts uniformly: over the phrasings a world offers, or over the indices of its actions.

    Raises:
        ValueError: when the env has neither.
    """
    phrases: Mapping[str, Sequence[str]] = getattr(env.unwrapped, "action_phrases", {})
    if isinstance(env.action_space, gym.spaces.Text) and phrases:
        names = list(phrases)

        def say(observation: Any) -> str:
            options = phrases[names[int(rng.integers(len(names)))]]
            return options[int(rng.integers(len(options)))]

        return say
    if isinstance(env.action_space, gym.spaces.Discrete):
        first, count = int(env.action_space.start), int(env.action_space.n)
        return lambda observation: first + int(rng.integers(count))
    raise ValueError(f"env must have Discrete actions or action_phrases, got {env.action_space}; write your own policy")


@dataclass(frozen=True, kw_only=True)
class ActionTexts:
    """How a policy's action becomes the env's action and a text.

    Attributes:
        phrases: action index to its phrasings; empty when actions are texts already.
        values: action index to the env's action; empty when the index is the env's action.
    """

    phrases: dict[int, tuple[str, ...]]
    values: tuple[npt.ArrayLike, ...] = ()

    @classmethod
    def of(
        cls,
        env: Env,
        action_texts: Mapping[int, str | Sequence[str]] | None,
        action_values: Sequence[npt.ArrayLike] | None,
    ) -> "ActionTexts":
        """Checks that the tables fit the env's action space.

        Raises:
            ValueError: when they do not.
        """
        space = env.action_space
        if isinstance(space, gym.spaces.Text):
            if action_texts is not None or action_values is not None:
                raise ValueError("action_texts and action_values must be None for an env whose actions are texts")
            return cls(phrases={})
        given = (action_texts or {}).items()
        table = {index: _phrasings(texts) for index, texts in given}
        values = tuple(() if action_values is None else action_values)
        if isinstance(space, gym.spaces.Discrete):
            if values:
                raise ValueError(f"action_values must be None for an env with {space} actions, got {values}")
            wanted = set(range(int(space.start), int(space.start + space.n)))
        elif values:
            values = tuple(np.asarray(value, dtype=space.dtype) for value in values)
            for value in values:
                if not space.contains(value):
                    raise ValueError(f"action_values must be actions of {space}, got {value}; write others")
            wanted = set(range(len(values)))
        else:
            raise ValueError(f"action_values must list the actions to choose from in {space}, got none; pass it")
        missing = sorted(index for index in wanted if not table.get(index))
        if missing:
            raise ValueError(f"action_texts must name every action of {space}, got no text for {missing}; pass them")
        return cls(phrases=table, values=values)

    def indexed(self, env: Env) -> Env:
        """Returns the env as a policy sees it: one with a table of actions takes their indices."""
        if not self.values:
            return env
        indices = gym.spaces.Discrete(len(self.values))
        return gym.wrappers.TransformAction(env, lambda index: np.asarray(self.values[int(index)]), indices)

    def translate(self, action: Any, rng: np.random.Generator) -> tuple[Any, str]:
        """Returns the env's action and its text, one of its phrasings drawn from `rng`; "" for numbers.

        Raises:
            ValueError: when the policy's action is unknown.
        """
        if not self.phrases:
            if isinstance(action, np.ndarray):  # a world of texts that also takes numbers
                return action, ""
            if not isinstance(action, str):
                raise ValueError(f"action must be a text, got {action!r}; let the policy return one")
            return action, action
        index = int(action)
        if index not in self.phrases or (self.values and index >= len(self.values)):
            raise ValueError(f"action must be one of {sorted(self.phrases)}, got {index}; add it to action_texts")
        options = self.phrases[index]
        value = np.asarray(self.values[index]) if self.values else index
        return value, options[int(rng.integers(len(options)))]


def _phrasings(texts: str | Sequence[str]) -> tuple[str, ...]:
    """An action's texts, which the env of a world trained on them will take.

    Raises:
        ValueError: when one is no printable ASCII of at most 256 characters.
    """
    phrasings = (texts,) if isinstance(texts, str) else tuple(texts) if isinstance(texts, Sequence) else (texts,)
    for text in phrasings:
        if not isinstance(text, str) or text not in _TEXTS:
            rule = f"must be printable ASCII of at most {_TEXTS.max_length} characters"
            raise ValueError(f"action_texts {rule}, got {text!r}; reword it")
    return phrasings


def has_image_observations(env: Env) -> bool:
    """Whether `env` observes frames, uint8 (height, width, 3), or chunks of them."""
    space = env.observation_space
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.uint8:
        return False
    return len(space.shape) in (3, 4) and space.shape[-1] == 3


class _Camera:
    """Gives the chunk of frames that goes with an observation."""

    def __init__(self, env: Env, frame_size: tuple[int, int] | None) -> None:
        self._is_image = has_image_observations(env)
        self._env = env
        self._frame_size = frame_size
        if not self._is_image and env.render_mode != "rgb_array":
            rule = "must give image observations or render_mode 'rgb_array', got"
            next_step = "pass render_mode='rgb_array' to gym.make"
            raise ValueError(f"env {rule} {env.observation_space} and render_mode {env.render_mode!r}; {next_step}")

    def frames(self, observation: Any) -> Frames:
        """Returns a copy: envs may reuse their buffers."""
        frames = np.array(observation if self._is_image else self._env.render())
        frames = frames[None] if frames.ndim == 3 else frames
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise ValueError(f"frames must be uint8 (height, width, 3), got {frames.dtype} {frames.shape} from the env")
        if self._frame_size is None or frames.shape[1:3] == self._frame_size:
            return frames
        height, width = self._frame_size
        resized = [Image.fromarray(frame).resize((width, height), Image.Resampling.BOX) for frame in frames]
        return np.stack([np.asarray(frame) for frame in resized])


def _play(
    env: Env,
    policy_factory: PolicyFactory,
    camera: _Camera,
    texts: ActionTexts,
    seed: int,
    max_steps: int | None,
) -> Episode:
    observation, info = env.reset(seed=seed)
    policy = policy_factory(texts.indexed(env), np.random.default_rng(seed))
    phrase_rng = np.random.default_rng([seed, 1])
    observations, actions = [camera.frames(observation)], []
    num_controls = len(_control_range(env)[0])
    controls: list[npt.NDArray[np.float32]] = []
    rewards: list[float] = []
    world_events: list[str] = []
    terminated = truncated = False
    while not (terminated or truncated):
        action, text = texts.translate(policy(observation), phrase_rng)
        observation, reward, terminated, truncated, facts = env.step(action)
        observations.append(camera.frames(observation))
        actions.append(text)
        numeric = num_controls and isinstance(action, np.ndarray)
        controls.append(action.astype(np.float32) if numeric else np.full(num_controls, np.nan, np.float32))
        rewards.append(float(reward))
        world_events.append(event_in(facts))
        truncated = truncated or (not terminated and len(actions) == max_steps)
    ends = np.zeros((2, len(actions)), dtype=np.bool_)
    ends[:, -1] = terminated, truncated
    return Episode(
        observations=np.stack(observations),
        actions=tuple(actions),
        rewards=np.array(rewards, dtype=np.float32),
        terminated=ends[0],
        truncated=ends[1],
        controls=np.stack(controls) if num_controls else None,
        world_events=tuple(world_events) if any(world_events) else (),
        seed=seed,
        info={str(key): value for key, value in info.items() if isinstance(value, str)},
    )


def event_in(info: Mapping[str, Any]) -> str:
    """What the info of a step tells of the world; "" where its event is no text that a learned world takes."""
    event = info.get("event")
    if event is None:
        return ""
    if isinstance(event, str) and event in _TEXTS:
        return event
    rule = f"must be printable ASCII of at most {_TEXTS.max_length} characters to be recorded"
    gym.logger.warn(f'info["event"] {rule}, got {event!r}; it is left out')
    return ""


def _control_range(env: Env) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The smallest and largest numbers that a world of texts takes beside them."""
    none: tuple[float, ...] = ()
    low, high = getattr(env.unwrapped, "control_range", (none, none))
    return tuple(map(float, low)), tuple(map(float, high))


def _manifest(
    env: Env, camera: _Camera, texts: ActionTexts, *, policy: str, seed: int, max_steps: int | None
) -> Manifest:
    frames = camera.frames(env.reset(seed=seed)[0])
    world = env.unwrapped
    phrases: Mapping[str, Sequence[str]] = getattr(world, "action_phrases", {})
    phrases = {options[0]: options for options in texts.phrases.values()} or phrases
    env_id = env.spec.id if env.spec is not None else ""
    arguments = env.spec.kwargs if env.spec is not None else {}
    return Manifest(
        env_id=env_id,
        env_arguments={name: json.dumps(value, default=_name, sort_keys=True) for name, value in arguments.items()},
        world=str(getattr(world, "world", env_id or type(world).__name__)),
        frame_size=(frames.shape[1], frames.shape[2]),
        chunk_frames=frames.shape[0],
        action_phrases={name: tuple(options) for name, options in phrases.items()},
        key_map=dict(getattr(world, "key_map", {})),
        control_low=_control_range(env)[0],
        control_high=_control_range(env)[1],
        render_fps=int(env.metadata.get("render_fps") or 0),
        policy=policy,
        seed=seed,
        max_steps=max_steps,
        versions=dict(current_versions(Path(inspect.getfile(type(world))).parent)),
    )


def _name(thing: object) -> str:
    """Returns what a function, class or object is called: the same in every process, unlike its repr."""
    qualified = getattr(thing, "__qualname__", type(thing).__qualname__)
    return f"{getattr(thing, '__module__', '')}.{qualified}"
