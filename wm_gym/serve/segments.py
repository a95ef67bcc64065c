"""The segment of a state: the frames of its last round, over HTTP or as a file."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from wm_gym.serve.pictures import gif
from wm_gym.world_state import WorldState

Chunk = UInt8[np.ndarray, "time height width 3"]


def frames_of(state: WorldState) -> Chunk:
    """The last chunk of a state of one world."""
    frames: Chunk = state.frames[0].cpu().numpy()
    return frames


class Segments:
    """Says where segments are, and writes them where there is a folder.

    Args:
        folder: made if needed; None leaves them to HTTP.

    Raises:
        OSError: the folder cannot be made.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = None if folder is None else folder.absolute()
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)

    def path(self, state_id: str) -> str:
        """Of a segment: a file, or a path of the server."""
        return f"/segments/{state_id}.gif" if self._folder is None else str(self._folder / f"{state_id}.gif")

    def write(self, state_id: str, state: WorldState, frames_per_second: float) -> None:
        """Write a segment, where there is a folder.

        Raises:
            OSError: it cannot be written.
        """
        if self._folder is not None:
            Path(self.path(state_id)).write_bytes(gif(frames_of(state), frames_per_second))

    def remove(self, state_ids: Iterable[str]) -> None:
        """Remove the files of segments, where there are some; one that stays is in nobody's way but the disk's."""
        if self._folder is None:
            return
        for state_id in state_ids:
            try:
                Path(self.path(state_id)).unlink(missing_ok=True)
            except OSError as error:
                logging.getLogger(__name__).warning("a segment's file must be removable, got %s", error)
