"""An episode: T actions and T+1 observations, and its bytes on disk, an npz without pickle."""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wm_gym.data.npz_bytes import read_npz


@dataclass(frozen=True, kw_only=True, eq=False)
class Episode:
    """What one env said from reset to the end, losslessly.

    Attributes:
        observations: T+1 chunks of frames, range [0, 255]; `observations[t + 1]` follows `actions[t]`.
        actions: T texts; "" where the action was numbers.
        rewards: T rewards, one a step.
        terminated: T flags; only the last may be True.
        truncated: T flags; only the last may be True.
        controls: T rows of numbers, NaN where the action was a text; None in worlds that take no numbers.
        world_events: T texts, what happened beside each action, "" for nothing; empty where nothing ever did.
        seed: the seed of `env.reset`, None when unknown.
        info: facts about the episode, text to text.

    Raises:
        ValueError: when a shape, a dtype or the place of an end does not fit.
    """

    observations: UInt8[np.ndarray, "time chunk height width channel"]
    actions: tuple[str, ...]
    rewards: Float32[np.ndarray, "time-1"]
    terminated: Bool[np.ndarray, "time-1"]
    truncated: Bool[np.ndarray, "time-1"]
    controls: Float32[np.ndarray, "time-1 numbers"] | None = None
    world_events: tuple[str, ...] = ()
    seed: int | None = None
    info: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frames, num_steps = self.observations, len(self.actions)
        if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[-1] != 3:
            raise ValueError(
                "observations must be uint8 of shape (steps + 1, chunk_frames, height, width, 3), "
                f"got {frames.dtype} {frames.shape}"
            )
        if num_steps == 0:
            raise ValueError("actions must hold at least 1 action, got 0; record at least one step")
        if len(frames) != num_steps + 1:
            raise ValueError(
                f"observations must be one more than actions, got {len(frames)} observations and {num_steps} actions"
            )
        if not all(isinstance(action, str) for action in self.actions):
            raise ValueError(f"actions must be texts, got {self.actions[:8]}")
        self._check_world_events()
        self._check_row("rewards", np.float32)
        self._check_row("terminated", np.bool_)
        self._check_row("truncated", np.bool_)
        self._check_controls()
        if (self.terminated | self.truncated)[:-1].any():
            raise ValueError("terminated and truncated must be False before the last step; cut the episode at its end")

    def _check_world_events(self) -> None:
        if not self.world_events:
            return
        if not all(isinstance(event, str) for event in self.world_events):
            raise ValueError(f"world_events must be texts, got {self.world_events[:8]}")
        if len(self.world_events) != self.num_steps:
            rule = f"one text for each of the {self.num_steps} actions, or none at all"
            raise ValueError(f"world_events must be {rule}, got {len(self.world_events)}")
        if not any(self.world_events):
            raise ValueError('world_events must be empty where nothing ever happened, got only ""; leave them out')

    def _check_row(self, name: str, dtype: type[np.generic]) -> None:
        row = getattr(self, name)
        if row.dtype != dtype or row.shape != (self.num_steps,):
            rule = f"{np.dtype(dtype)} of shape ({self.num_steps},), one value an action"
            raise ValueError(f"{name} must be {rule}, got {row.dtype} {row.shape}")

    def _check_controls(self) -> None:
        rows = self.controls
        if rows is None:
            return
        if rows.dtype != np.float32 or rows.ndim != 2 or len(rows) != self.num_steps:
            rule = f"float32 of shape ({self.num_steps}, numbers), one row an action"
            raise ValueError(f"controls must be {rule}, got {rows.dtype} {rows.shape}")
        numeric = np.isfinite(rows).all(axis=1)
        if not (numeric | np.isnan(rows).all(axis=1)).all():
            raise ValueError("controls must be finite in a row, or NaN in all of it where the action was a text")
        if any(text for text, by_numbers in zip(self.actions, numeric, strict=True) if by_numbers):
            raise ValueError('actions must be "" where controls has numbers; an action is one or the other')

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Episode):
            return NotImplemented
        rows = ("observations", "rewards", "terminated", "truncated")
        same_rows = all(np.array_equal(getattr(self, name), getattr(other, name)) for name in rows)
        same_rows = same_rows and _same_controls(self.controls, other.controls)
        facts = ((each.actions, each.world_events, each.seed, each.info) for each in (self, other))
        return same_rows and next(facts) == next(facts)

    __hash__ = None  # type: ignore[assignment]  # arrays can change in place

    @property
    def num_steps(self) -> int:
        """T, the number of actions."""
        return len(self.actions)

    @property
    def total_reward(self) -> float:
        """The sum of the rewards."""
        return float(self.rewards.sum(dtype=np.float64))

    @property
    def event_steps(self) -> tuple[int, ...]:
        """The steps, in [0, T), with a termination or a reward other than the episode's usual one, in order."""
        values, counts = np.unique(self.rewards, return_counts=True)
        return tuple(int(step) for step in np.flatnonzero((self.rewards != values[counts.argmax()]) | self.terminated))

    def to_bytes(self) -> bytes:
        """Returns the episode as a compressed npz: the same bytes for the same episode, whenever it is written."""
        buffer = io.BytesIO()
        optional: dict[str, Any] = {} if self.controls is None else {"controls": self.controls}
        if self.world_events:
            optional["world_events"] = _json_array(list(self.world_events))
        np.savez_compressed(
            buffer,
            **optional,
            observations=self.observations,
            actions=_json_array(list(self.actions)),
            rewards=self.rewards,
            terminated=self.terminated,
            truncated=self.truncated,
            facts=_json_array({"seed": self.seed, "info": self.info}),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Episode":
        """Reads what `to_bytes` wrote.

        Raises:
            ValueError: when `data` is not a whole episode.
        """
        try:
            rows = read_npz(data)
            facts = _from_json_array(rows["facts"])
            world_events = _from_json_array(rows["world_events"]) if "world_events" in rows else ()
            return cls(
                observations=rows["observations"],
                actions=tuple(_from_json_array(rows["actions"])),
                rewards=rows["rewards"],
                terminated=rows["terminated"],
                truncated=rows["truncated"],
                controls=rows.get("controls"),
                world_events=tuple(world_events),
                seed=facts["seed"],
                info=facts["info"],
            )
        except (zipfile.BadZipFile, zlib.error, KeyError, TypeError, EOFError, OSError) as error:
            raise ValueError(f"data must be an episode, got {len(data)} bytes that do not read ({error})") from error


def _same_controls(
    mine: Float32[np.ndarray, "steps numbers"] | None, other: Float32[np.ndarray, "other_steps other_numbers"] | None
) -> bool:
    if mine is None or other is None:
        return mine is other
    return np.array_equal(mine, other, equal_nan=True)


def _json_array(value: Any) -> UInt8[np.ndarray, " bytes"]:
    return np.frombuffer(json.dumps(value, sort_keys=True).encode("utf-8"), dtype=np.uint8)


def _from_json_array(array: UInt8[np.ndarray, " bytes"]) -> Any:
    return json.loads(array.tobytes().decode("utf-8"))
