"""What a world model is given, checked before anything runs: frames, actions, events and the tensors of a state."""

from collections.abc import Sequence, Sized
from typing import TypeAlias

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from torch import Tensor

from wm_gym.actions import Action, check_numbers, check_text
from wm_gym.world_state import WorldState

Layout: TypeAlias = dict[str, tuple[tuple[int, ...], torch.dtype]]
"""Shape and dtype of one world's share of each tensor of a state."""


def check_frames(
    frames: NDArray[np.uint8] | Tensor, least: int, most: int, frame_size: tuple[int, int]
) -> UInt8[Tensor, "batch frames height width 3"]:
    """A copy of the frames that worlds begin at, as a tensor.

    Args:
        frames: what was given.
        least: frames of a world.
        most: frames of a world.
        frame_size: height and width.

    Raises:
        ValueError: another type, dtype or shape.
    """
    counts = str(least) if least == most else f"{least} to {most}"
    rule = f"frames must be uint8 in 0..255 of shape (batch, {counts}, {', '.join(map(str, frame_size))}, 3)"
    if not isinstance(frames, np.ndarray | Tensor):
        raise ValueError(f"{rule}, got {type(frames).__name__}; pass a NumPy array or a tensor")
    if frames.dtype not in (np.uint8, torch.uint8):
        raise ValueError(f"{rule}, got dtype {frames.dtype}; scale to 0..255 and convert")
    fits = frames.ndim == 5 and len(frames) and least <= frames.shape[1] <= most
    if not fits or tuple(frames.shape[2:]) != (*frame_size, 3):
        raise ValueError(f"{rule}, got shape {tuple(frames.shape)}; resize the frames")
    return torch.from_numpy(np.array(frames, order="C")) if isinstance(frames, np.ndarray) else frames.clone()


def check_actions(actions: Sequence[Action], events: Sequence[str] | None, batch_size: int, max_controls: int) -> None:
    """Check what a step is told.

    Raises:
        ValueError: not one valid action and, where there are events, one text a world.
    """
    listed = isinstance(events, Sized) and not isinstance(events, str)
    if events is not None and not (listed and len(events) == batch_size):
        raise ValueError(f"events must be a list of {batch_size} texts, one a world, got {events!r}")
    for event in events or ():
        check_text(event, "event")
    if isinstance(actions, str) or not isinstance(actions, Sized) or len(actions) != batch_size:
        raise ValueError(f"actions must be a list of {batch_size} texts, one a world, got {actions!r}")
    for action in actions:
        if isinstance(action, np.ndarray):
            check_numbers(action, max_controls)
        else:
            check_text(action)


def layout(state: WorldState) -> Layout:
    """The layout of a state."""
    return {name: (tuple(tensor.shape[1:]), tensor.dtype) for name, tensor in state.tensors().items()}


def check_layout(state: WorldState, expected: Layout) -> None:
    """Check that a state's tensors are those of a model.

    Raises:
        ValueError: one is missing, too much, or of another shape or dtype.
    """
    found = layout(state)
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise ValueError(
                f"{name} of the state must be {expected.get(name)} a world, got {found.get(name)}: the state was "
                "changed, or made under another sampling; load it again or reset"
            )
