"""Files of arrays as mappings that read an array when it is asked for: .npz, folders of .npy, HDF5 groups."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wm_gym.data.formats.arrays_names import ACTIONS
from wm_gym.data.formats.optional import require
from wm_gym.data.manifest import DatasetError

Kind = Literal["numpy", "hdf5"]
_SUFFIXES: dict[Kind, tuple[str, ...]] = {"numpy": (".npz",), "hdf5": (".hdf5", ".h5", ".hdf")}


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """Arrays that belong together.

    Attributes:
        where: the file, and the group in it.
        arrays: name, with "/" between groups, to what `np.asarray` and slices read.
    """

    where: str
    arrays: Mapping[str, Any]


def find_files(place: str, kind: Kind) -> list[Path]:
    """The files of a kind at a place, in natural order: ep2 before ep10.

    Raises:
        DatasetError: there is none.
    """
    path = Path(place)
    if path.is_file():
        return [path]
    found = [each for each in path.rglob("*") if each.suffix.lower() in _SUFFIXES[kind] and each.is_file()]
    if kind == "numpy":  # a folder of .npy is an episode
        found += sorted({each.parent for each in path.rglob("*.npy")})
    if not found:
        suffixes = ", ".join(_SUFFIXES[kind]) + (" or .npy" if kind == "numpy" else "")
        raise DatasetError(f"{path} must be or hold {suffixes} files, got none; name another place")
    return sorted(found, key=lambda each: natural(str(each)))


def read_arrays(file: Path) -> Iterator[Arrays]:
    """The groups of arrays of one file that hold actions; open only while the loop over them runs.

    Raises:
        DatasetError: the file cannot be read, or holds no actions.
    """
    num_found = 0
    with one_error(str(file)):
        if file.is_dir():
            num_found += 1
            yield Arrays(where=str(file), arrays=_Folder(file))
        elif file.suffix.lower() == ".npz":
            with file.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
                num_found += 1
                yield Arrays(where=str(file), arrays=arrays)
        else:
            h5py = require("h5py", "hdf5")
            with h5py.File(file, "r") as root:
                for group in _groups(root, h5py):
                    num_found += 1
                    where = str(file) if group.name == "/" else f"{file}:{group.name}"
                    yield Arrays(where=where, arrays=_flat(group, h5py))
    if num_found == 0:
        raise DatasetError(f"{file} must hold {' or '.join(ACTIONS)}, got none; rename the arrays")


def natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by their value."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


@contextmanager
def one_error(where: str) -> Iterator[None]:
    """Turns what a corrupt file raises into one error that names it."""
    try:
        yield
    except (DatasetError, ImportError):
        raise
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, KeyError) as error:
        got = f"{type(error).__name__}: {error}"
        raise DatasetError(f"{where} must be readable, got {got}; repair it or leave it out") from error


class _Folder(Mapping[str, Any]):
    """The .npy files of a folder, mapped into memory."""

    def __init__(self, folder: Path) -> None:
        self._files = {path.stem: path for path in sorted(folder.glob("*.npy"))}

    def __getitem__(self, name: str) -> Any:
        return np.load(self._files[name], mmap_mode="r", allow_pickle=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _groups(group: Any, h5py: Any) -> Iterator[Any]:
    """The groups that hold actions themselves, in natural order."""
    names = sorted(group, key=natural)
    if any(name in ACTIONS and isinstance(group[name], h5py.Dataset) for name in names):
        yield group
        return
    for name in names:
        if isinstance(group[name], h5py.Group):
            yield from _groups(group[name], h5py)


def _flat(group: Any, h5py: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    group.visititems(keep)
    return found
