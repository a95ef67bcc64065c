"""Writes that survive a kill, a power cut and a full disk."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from wm_gym.data.manifest import DatasetError


def write_whole(path: Path, data: bytes) -> None:
    """Writes a file that is there whole or not at all, whatever happens meanwhile.

    Raises:
        OSError: when the disk is full or refuses.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with temporary.open("wb") as file:
            write_all(file.fileno(), data)
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself must reach the disk; Windows has no handle for folders
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_all(handle: int, data: bytes) -> None:
    """Writes all of `data` to an open file and waits until it is on the disk."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
    os.fsync(handle)


@contextlib.contextmanager
def one_clear_error(folder: Path, num_episodes: int) -> Iterator[None]:
    """Turns what the disk refuses inside the `with` into one `DatasetError` that says what is safe and what to do."""
    try:
        yield
    except OSError as error:
        kept = f"the {num_episodes} episodes recorded before are kept"
        next_step = f"{kept}; free space and run the same recording again, or name another folder"
        raise DatasetError(f"{folder} must be writable, got {error.strerror or error}; {next_step}") from error
