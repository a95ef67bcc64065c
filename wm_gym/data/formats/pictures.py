"""Stored pictures of any usual layout, as chunks of frames."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image

Chunks = UInt8[np.ndarray, "time chunk height width 3"]

MIN_SIDE = 32  # pixels; what is smaller is more often a grid of codes (MiniGrid's 7x7x3) than a picture


def to_chunks(pictures: np.ndarray, name: str) -> Chunks:
    """Reads pictures as chunks of RGB frames; grey ones become RGB.

    Args:
        pictures: uint8, (time, height, width), the same with 1 or 3 channels last or first, or
            (time, chunk, height, width, 3).
        name: where they come from, for the error.

    Raises:
        ValueError: anything else.
    """
    frames = pictures
    if frames.dtype == np.uint8 and frames.ndim == 3:
        frames = frames[..., None]
    if frames.dtype == np.uint8 and frames.ndim == 4:
        if frames.shape[-1] not in (1, 3) and frames.shape[1] in (1, 3):
            frames = np.moveaxis(frames, 1, -1)
        if frames.shape[-1] == 1:
            frames = np.repeat(frames, 3, axis=-1)
        frames = frames[:, None]
    if frames.dtype != np.uint8 or frames.ndim != 5 or frames.shape[-1] != 3 or 0 in frames.shape:
        rule = "must be uint8 pictures (time, height, width, 3), channels first or last, grey or RGB"
        raise ValueError(f"{name} {rule}, got {pictures.dtype} {pictures.shape}; choose other observations")
    return np.ascontiguousarray(frames)


def is_picture(shape: tuple[int, ...], dtype: object) -> bool:
    """Whether observations of this shape, without time, look like pictures."""
    if dtype != np.uint8 or not 2 <= len(shape) <= 4 or (len(shape) == 4 and shape[-1] != 3):
        return False
    if len(shape) == 2:
        height, width = shape
    elif shape[-1] in (1, 3):
        height, width = shape[-3:-1]
    elif shape[0] in (1, 3):
        height, width = shape[1:]
    else:
        return False
    return min(height, width) >= MIN_SIDE


def resize(
    chunks: Chunks, frame_size: tuple[int, int] | None
) -> UInt8[np.ndarray, "time chunk new_height new_width 3"]:
    """Resizes frames to (height, width) with a box filter; None keeps them."""
    if frame_size is None or chunks.shape[2:4] == frame_size:
        return chunks
    height, width = frame_size
    resized = np.empty((*chunks.shape[:2], height, width, 3), dtype=np.uint8)
    for index in np.ndindex(*chunks.shape[:2]):
        picture = Image.fromarray(chunks[index]).resize((width, height), Image.Resampling.BOX)
        resized[index] = np.asarray(picture)
    return resized


def choose_key(wanted: str | None, found: list[str], where: str) -> str:
    """The name of the observations that hold the pictures.

    Args:
        wanted: the user's choice; None takes the only one there is.
        found: the names of what looks like pictures.
        where: the file or folder, for the error.

    Raises:
        ValueError: there is no picture, or there are several and none was chosen.
    """
    if wanted is not None:
        return wanted
    if len(found) == 1:
        return found[0]
    got = f"several: {', '.join(found)}" if found else "none"
    raise ValueError(f"{where} must have one kind of pictures, got {got}; choose with --observation-key")
