"""The card of a world: what a checkpoint says of itself, checked since people edit it by hand."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class WorldCard:
    """What a checkpoint says of itself.

    Attributes:
        world: name of the world.
        frame_size: (height, width) of a frame in pixels.
        chunk_frames: frames that one step returns.
        render_fps: frames a second at which the world looks natural.
        action_phrases: for each action its phrasings, the canonical one first.
        key_map: keyboard key -> action text.
        reward_range: smallest and largest reward of a step.
        num_denoising_steps: default decoder calls a step.
        temperature: default scale of the initial noise.
        metrics: what evaluation measured.
        weights_hash: SHA-256 over weights, configs and tokenizer; filled in when it is written.

    Raises:
        ValueError: when a value is of another kind or out of its range.
    """

    world: str
    frame_size: tuple[int, int]
    chunk_frames: int
    render_fps: int
    action_phrases: Mapping[str, tuple[str, ...]]
    key_map: Mapping[str, str]
    reward_range: tuple[float, float]
    num_denoising_steps: int = 1
    temperature: float = 1.0
    metrics: Mapping[str, Any] = field(default_factory=dict)
    weights_hash: str = ""

    def __post_init__(self) -> None:
        rules = {
            "world": ("a name", isinstance(self.world, str) and bool(self.world)),
            "frame_size": ("two whole numbers from 1 up", _are_counts(self.frame_size) and len(self.frame_size) == 2),
            "chunk_frames": ("a whole number from 1 up", _are_counts((self.chunk_frames,))),
            "render_fps": ("a whole number from 1 up", _are_counts((self.render_fps,))),
            "num_denoising_steps": ("a whole number from 1 up", _are_counts((self.num_denoising_steps,))),
            "temperature": ("a number from 0 up", _are_numbers((self.temperature,)) and self.temperature >= 0),
            "reward_range": ("two numbers, the smaller first", _is_range(self.reward_range)),
            "action_phrases": ("texts by action", _are_phrases(self.action_phrases)),
            "key_map": ("a text by key", isinstance(self.key_map, Mapping) and _are_texts(self.key_map.values())),
            "metrics": ("values by name", isinstance(self.metrics, Mapping)),
            "weights_hash": ("a text", isinstance(self.weights_hash, str)),
        }
        for name, (rule, holds) in rules.items():
            if not holds:
                raise ValueError(f"{name} must be {rule}, got {getattr(self, name)!r}")


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(value) is int and value >= 1 for value in values)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _is_range(values: Any) -> bool:
    return _are_numbers(values) and len(values) == 2 and bool(values[0] <= values[1])


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _are_phrases(phrases: Any) -> bool:
    if not isinstance(phrases, Mapping) or not phrases:
        return False
    return all(isinstance(texts, tuple) and texts and _are_texts(texts) for texts in phrases.values())
