"""What a dataset says about itself: the static manifest, one index line an episode, and the error of all."""

import json
import subprocess
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from wm_gym.data.episode import Episode

FORMAT_VERSION = 2
_PACKAGES = ("wm-gym", "gymnasium", "numpy", "ale-py", "crafter", "minigrid", "procgen2", "pymunk", "vizdoom")


class DatasetError(ValueError):
    """A dataset is missing, empty, cut, corrupt or cannot be written; the text names the file and what to do next."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The facts that hold for a whole dataset.

    Attributes:
        env_id: the id of `gym.make`, "" when the env has none.
        env_arguments: the arguments of `gym.make`, name to JSON text.
        world: the name of the world.
        frame_size: height and width in pixels.
        chunk_frames: frames an observation.
        action_phrases: action name to its phrasings, the first is canonical; empty when unknown.
        key_map: pygame key name to action text.
        control_low: smallest value of each number of a numeric action; empty where the world takes none.
        control_high: largest value of each.
        render_fps: frames a second when played, 0 when unknown.
        policy: the name of the policy that acted.
        seed: the seed of episode 0; episode i has `seed + i`.
        max_steps: longest episode in steps, None for the env's own limit.
        versions: package name to version, and "git" to the commit of the env's checkout, when recorded first.
    """

    env_id: str
    world: str
    frame_size: tuple[int, int]
    chunk_frames: int
    action_phrases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    key_map: dict[str, str] = field(default_factory=dict)
    control_low: tuple[float, ...] = ()
    control_high: tuple[float, ...] = ()
    env_arguments: dict[str, str] = field(default_factory=dict)
    render_fps: int = 0
    policy: str = ""
    seed: int = 0
    max_steps: int | None = None
    versions: dict[str, str] = field(default_factory=dict)

    def scaled(self, controls: Float32[np.ndarray, "time numbers"]) -> Float32[np.ndarray, "time numbers"]:
        """Returns numeric actions scaled from the world's range to [-1, 1]; NaN stays."""
        low, high = (np.array(bound, dtype=np.float32) for bound in (self.control_low, self.control_high))
        scaled: Float32[np.ndarray, "time numbers"] = 2 * (controls - low) / (high - low) - 1
        return scaled

    def to_json(self) -> str:
        """Returns the manifest as JSON text."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: when the text is no manifest of this format version.
        """
        values = json.loads(text)
        if not isinstance(values, dict) or values.pop("format_version", None) != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}")
        known = {entry.name for entry in fields(cls)}
        if values.keys() != known:
            raise ValueError(f"the names must be those of the format, got other: {sorted(values.keys() ^ known)}")
        height, width = values["frame_size"]
        if not all(type(count) is int and count > 0 for count in (height, width, values["chunk_frames"])):
            got = f"{values['frame_size']} and {values['chunk_frames']}"
            raise ValueError(f"frame_size and chunk_frames must be whole numbers from 1 up, got {got}")
        for name, kind in (("world", str), ("env_id", str), ("key_map", dict), ("render_fps", int)):
            if not isinstance(values[name], kind):
                raise ValueError(f"{name} must be a {kind.__name__}, got {values[name]!r}")
        phrases = {name: tuple(texts) for name, texts in values["action_phrases"].items()}
        controls = {name: tuple(map(float, values[name])) for name in ("control_low", "control_high")}
        return cls(**{**values, **controls, "frame_size": (height, width), "action_phrases": phrases})

    def differences(self, other: "Manifest") -> list[str]:
        """Returns one text for each fact that differs, versions left out."""
        names = [entry.name for entry in fields(self) if entry.name != "versions"]
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in names)
        return [f"{name} is {mine!r}, not {theirs!r}" for name, mine, theirs in pairs if mine != theirs]


@dataclass(frozen=True, kw_only=True)
class EpisodeEntry:
    """One line of the index: where an episode is and what can be asked without decoding it.

    Attributes:
        file: the path in the dataset's folder.
        num_bytes: size of the file.
        crc32: checksum of the file.
        num_steps: T.
        total_reward: sum of the rewards.
        terminated: whether the last step terminated.
        truncated: whether the last step was truncated.
        seed: the reset seed, None when unknown.
        event_steps: the steps with a termination or a reward other than the episode's usual one.
        action_counts: how often each text was the action.
        world_event_counts: how often each text was what happened beside the action.
    """

    file: str
    num_bytes: int
    crc32: int
    num_steps: int
    total_reward: float
    terminated: bool
    truncated: bool
    seed: int | None
    event_steps: tuple[int, ...]
    action_counts: dict[str, int]
    world_event_counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, episode: Episode, *, file: str, num_bytes: int, crc32: int) -> "EpisodeEntry":
        """Describes `episode`, stored as `file`."""
        return cls(
            file=file,
            num_bytes=num_bytes,
            crc32=crc32,
            num_steps=episode.num_steps,
            total_reward=episode.total_reward,
            terminated=bool(episode.terminated[-1]),
            truncated=bool(episode.truncated[-1]),
            seed=episode.seed,
            event_steps=episode.event_steps,
            action_counts=dict(Counter(episode.actions)),
            world_event_counts=dict(Counter(filter(None, episode.world_events))),
        )

    def to_json(self) -> str:
        """Returns the entry as one line of JSON."""
        values = asdict(self)
        if not self.world_event_counts:  # most worlds have none
            del values["world_event_counts"]
        return json.dumps(values) + "\n"

    @classmethod
    def from_json(cls, line: str) -> "EpisodeEntry":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: when the line is no entry.
        """
        values: dict[str, Any] = json.loads(line)
        try:
            entry = cls(**{**values, "event_steps": tuple(values["event_steps"])})
        except (TypeError, KeyError) as error:
            raise ValueError(f"an index line must be an episode's entry, got {line[:80]!r}") from error
        counts = (entry.num_bytes, entry.crc32, entry.num_steps, *entry.event_steps)
        texts_are_counted = all(isinstance(each, dict) for each in (entry.action_counts, entry.world_event_counts))
        if not (isinstance(entry.file, str) and all(type(count) is int for count in counts) and texts_are_counted):
            raise ValueError(f"an index line must be an episode's entry, got {line[:80]!r}")
        return entry


def current_versions(checkout: Path) -> Mapping[str, str]:
    """Returns the installed versions of what shapes a recording, and the git commit of `checkout` when there is one."""
    versions: dict[str, str] = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        versions["git"] = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return versions
