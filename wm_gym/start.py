"""Where an episode of a learned world starts: what `reset(options=...)` may say, checked before anything changes."""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.worlds import WORLDS

Chunk = UInt8[np.ndarray, "time height width 3"]

OPTIONS = ("frames", "state", "index", "episode", "world", "event")
_SOURCES = ("frames", "state", "index", "episode")  # of which a reset takes one


@dataclass(frozen=True, kw_only=True)
class StartRules:
    """What a start must fit.

    Attributes:
        chunk_shape: (chunk_frames, height, width, 3) of the world.
        num_starts: start observations to choose from.
        most_frames: longest clip to start from.
    """

    chunk_shape: tuple[int, ...]
    num_starts: int
    most_frames: int


def check_options(options: dict[str, Any], world: str) -> None:
    """Check the names of the options of an env of `world`, and that they are for it.

    Raises:
        ValueError: no dict, an unknown option, more than one source of the start, or another world.
    """
    if not isinstance(options, dict):
        raise ValueError(f'options must be a dict such as {{"index": 0}}, got {options!r}')
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ValueError(f"options must be among {', '.join(OPTIONS)}, got {', '.join(map(repr, unknown))}")
    sources = [name for name in _SOURCES if options.get(name) is not None]
    if len(sources) > 1:
        raise ValueError(f"options must name one start, got {' and '.join(sources)}; keep one of them")
    if options.get("world") not in (None, world):
        asked = options["world"]
        raise ValueError(f"world must be {world!r}, got {asked!r}; make another env with world={asked!r}")


def check_frames(frames: Any, rules: StartRules) -> Chunk:
    """Turn a user's image or clip into the world's chunk.

    Args:
        frames: uint8 (height, width, 3), which is repeated to a chunk, or a clip of chunk_frames to most_frames of
            them. Anything that `numpy.asarray` understands.
        rules: of the world.

    Returns:
        A clip of its own memory.

    Raises:
        ValueError: another dtype, shape or size.
    """
    try:
        array = np.asarray(frames)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors on a GPU
        raise ValueError(f"frames must be an image or a clip, got {error}; pass it as a NumPy array") from error
    time, height, width, _ = rules.chunk_shape
    if array.dtype != np.uint8:
        raise ValueError(f"frames must be uint8 in [0, 255], got {_describe(array)}; {_dtype_advice(array)}")
    if array.shape == rules.chunk_shape[1:]:
        return np.repeat(array[None], time, axis=0)
    is_clip = array.ndim == 4 and array.shape[1:] == rules.chunk_shape[1:]
    if is_clip and time <= len(array) <= rules.most_frames:
        return array.copy()
    counts = f"{time}" if time == rules.most_frames else f"{time} to {rules.most_frames}"
    if is_clip:
        advice = f"choose the {rules.most_frames} to start from, as frames[-{rules.most_frames}:]"
    else:
        advice = f"resize the picture to {height}x{width} and put the colours last"
    size = f"{height}, {width}, 3)"
    raise ValueError(f"frames must have the shape ({size} or ({counts}, {size}, got {array.shape}; {advice}")


def check_index(options: dict[str, Any], rules: StartRules) -> int | None:
    """The number of the shipped start observation that the options ask for, if they do.

    Raises:
        ValueError: it is no integer in [0, num_starts).
    """
    name = "index" if options.get("index") is not None else "episode"
    index = options.get(name)
    if index is None:
        return None
    if not rules.num_starts:
        raise ValueError(f"{name} must be left out, got {index!r}: the world comes without start frames; pass frames")
    if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not 0 <= index < rules.num_starts:
        raise ValueError(
            f"{name} must be an integer from 0 to {rules.num_starts - 1}, got {index!r}; leave it out to draw a start"
        )
    return int(index)


def twin_start(world: str, seed: int) -> Chunk:
    """Where the world's real twin starts, for worlds that come without start frames.

    Raises:
        ValueError: there is no twin, or no simulator for it.
    """
    try:
        twin = gym.make(WORLDS[world].twin, disable_env_checker=True)
    except (KeyError, ModuleNotFoundError, gym.error.Error) as error:
        raise ValueError(
            f"options must say where {world!r} starts, got no frames: it comes without start frames, and its real twin "
            f'is not here ({error}); pass reset(options={{"frames": image}})'
        ) from error
    observation, _ = twin.reset(seed=seed)
    twin.close()
    return np.array(observation)


def _describe(array: np.ndarray) -> str:
    """Dtype and range, for an error."""
    if array.size == 0 or array.dtype.kind not in "iufb":
        return str(array.dtype)
    return f"{array.dtype} in [{array.min()}, {array.max()}]"


def _dtype_advice(array: np.ndarray) -> str:
    """How to make uint8 of it."""
    if array.dtype.kind == "f":
        return "scale floats to 0..255, then frames.round().astype(numpy.uint8)"
    if array.dtype.kind in "iu":
        return "clip to 0..255, then frames.astype(numpy.uint8)"
    return "pass an image as a NumPy array"
