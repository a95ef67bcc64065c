"""The cards of a checkpoint: what it says of itself and of its worlds, checked since people edit them by hand."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WorldCard:
    """What a checkpoint says of one of its worlds.

    Attributes:
        render_fps: frames a second at which the world looks natural.
        action_phrases: for each action its phrasings, the canonical one first.
        key_map: keyboard key -> action text.
        reward_range: smallest and largest reward of a step.
        control_low: smallest value of each number of a numeric action; empty where the world takes texts alone.
        control_high: largest value of each.

    Raises:
        ValueError: when a value is of another kind or out of its range.
    """

    render_fps: int
    action_phrases: Mapping[str, tuple[str, ...]]
    key_map: Mapping[str, str]
    reward_range: tuple[float, float]
    control_low: tuple[float, ...] = ()
    control_high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check(
            self,
            {
                "render_fps": ("a whole number from 1 up", _are_counts((self.render_fps,))),
                "reward_range": ("two numbers, the smaller first", _is_range(self.reward_range)),
                "action_phrases": ("texts by action", _are_phrases(self.action_phrases)),
                "key_map": ("a text by key", isinstance(self.key_map, Mapping) and _are_texts(self.key_map.values())),
                "control_low": ("numbers", _are_numbers(self.control_low)),
                "control_high": ("a number above each of control_low", _are_above(self.control_high, self.control_low)),
            },
        )


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a checkpoint says of itself.

    Attributes:
        worlds: name of a world -> its card.
        frame_size: (height, width) of a frame in pixels.
        chunk_frames: frames that one step returns.
        num_denoising_steps: default decoder calls a step.
        temperature: default scale of the initial noise.
        metrics: what evaluation measured.
        weights_hash: SHA-256 over weights, configs and tokenizer; filled in when it is written.

    Raises:
        ValueError: when a value is of another kind or out of its range.
    """

    worlds: Mapping[str, WorldCard]
    frame_size: tuple[int, int]
    chunk_frames: int
    num_denoising_steps: int = 1
    temperature: float = 1.0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    weights_hash: str = ""

    def __post_init__(self) -> None:
        names = isinstance(self.worlds, Mapping) and bool(self.worlds) and _are_names(self.worlds)
        _check(
            self,
            {
                "worlds": ("a card by name", names and all(isinstance(c, WorldCard) for c in self.worlds.values())),
                "frame_size": ("two numbers from 1 up", _are_counts(self.frame_size) and len(self.frame_size) == 2),
                "chunk_frames": ("a whole number from 1 up", _are_counts((self.chunk_frames,))),
                "num_denoising_steps": ("a whole number from 1 up", _are_counts((self.num_denoising_steps,))),
                "temperature": ("a number from 0 up", _are_numbers((self.temperature,)) and self.temperature >= 0),
                "metrics": ("values by name", isinstance(self.metrics, Mapping)),
                "weights_hash": ("a text", isinstance(self.weights_hash, str)),
            },
        )

    def world(self, name: str | None) -> str:
        """The name of a world, or of the only one.

        Raises:
            ValueError: no such world, or none named where there are several.
        """
        if name is None and len(self.worlds) == 1:
            return next(iter(self.worlds))
        if name is None or name not in self.worlds:
            raise ValueError(f"world must be one of {', '.join(self.worlds)}, got {name!r}; name one of these")
        return name


def _check(card: object, rules: Mapping[str, tuple[str, bool]]) -> None:
    for name, (rule, holds) in rules.items():
        if not holds:
            raise ValueError(f"{name} must be {rule}, got {getattr(card, name)!r}")


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(value) is int and value >= 1 for value in values)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _is_range(values: Any) -> bool:
    return _are_numbers(values) and len(values) == 2 and bool(values[0] <= values[1])


def _are_above(values: Any, low: Any) -> bool:
    if not _are_numbers(values) or not _are_numbers(low) or len(values) != len(low):
        return False
    return all(above > below for above, below in zip(values, low, strict=True))


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_names(values: Iterable[Any]) -> bool:
    """Texts that can also name a file."""
    return all(isinstance(value, str) and value.replace("-", "_").isidentifier() for value in values)


def _are_phrases(phrases: Any) -> bool:
    if not isinstance(phrases, Mapping) or not phrases:
        return False
    return all(isinstance(texts, tuple) and texts and _are_texts(texts) for texts in phrases.values())
