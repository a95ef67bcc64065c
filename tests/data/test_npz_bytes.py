"""An npz is read as numpy reads it, and what is damaged is refused."""

import io
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest

from wm_gym.data.npz_bytes import read_npz

ROWS: dict[str, Any] = {
    "pictures": np.random.default_rng(0).integers(0, 255, (7, 2, 5, 3, 3), dtype=np.uint8),
    "empty": np.zeros((0, 4), dtype=np.float32),
    "flags": np.array([True, False]),
    "across": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "number": np.array(2.5),
}


def packed(compressed: bool, **rows: Any) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, **(rows or ROWS))
    return buffer.getvalue()


@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_are_those_that_were_written(compressed: bool) -> None:
    found = read_npz(packed(compressed))
    assert found.keys() == ROWS.keys()
    for name, row in ROWS.items():
        np.testing.assert_array_equal(found[name], row)
        assert found[name].dtype == row.dtype and found[name].flags.writeable


@pytest.mark.parametrize("compressed", [True, False])
def test_a_changed_byte_is_refused(compressed: bool) -> None:
    data = bytearray(packed(compressed, pictures=ROWS["pictures"]))
    data[200] ^= 255
    with pytest.raises((zipfile.BadZipFile, zlib.error)):
        read_npz(bytes(data))


def test_a_cut_file_is_refused() -> None:
    with pytest.raises(zipfile.BadZipFile):
        read_npz(packed(True)[:-30])


def test_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="[Oo]bject arrays cannot be loaded"):
        read_npz(packed(True, secrets=np.array([{}], dtype=object)))


def test_another_compression_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", b"x" * 100)
    with pytest.raises(zipfile.BadZipFile, match=r"a\.npy must be stored or deflated, got method 14"):
        read_npz(buffer.getvalue())
