"""The arrays of an npz in memory, each inflated in one call.

`numpy.load` reads a member in pieces through `zipfile`. That takes longer, and most of the time more it holds Python's
lock, which a training beside it needs.
"""

import io
import math
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
from jaxtyping import Shaped

_LOCAL_HEADER = 30  # bytes before a member's name (APPNOTE.TXT 6.3.10, section 4.3.7)
_RAW_DEFLATE = -15  # zlib's name for a stream without a header


def read_npz(data: bytes) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Returns the arrays by name.

    Raises:
        zipfile.BadZipFile: it is no whole zip, or a member's checksum is wrong.
        zlib.error: a member's bytes do not inflate.
        ValueError: a member that is no array, or one of Python objects.
        EOFError: a member is cut.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename.removesuffix(".npy"): _array(_inflated(data, info)) for info in archive.infolist()}


def _inflated(data: bytes, info: zipfile.ZipInfo) -> bytes:
    try:
        lengths = struct.unpack_from("<HH", data, info.header_offset + _LOCAL_HEADER - 4)  # of name and extra field
    except struct.error as error:
        raise zipfile.BadZipFile(f"{info.filename} must have a header, got {error}") from error
    start = info.header_offset + _LOCAL_HEADER + sum(lengths)
    packed = memoryview(data)[start : start + info.compress_size]
    if info.compress_type == zipfile.ZIP_DEFLATED:
        member = zlib.decompress(packed, _RAW_DEFLATE, max(info.file_size, 1))
    elif info.compress_type == zipfile.ZIP_STORED:
        member = bytes(packed)
    else:
        raise zipfile.BadZipFile(f"{info.filename} must be stored or deflated, got method {info.compress_type}")
    if len(member) != info.file_size or zlib.crc32(member) != info.CRC:
        raise zipfile.BadZipFile(f"{info.filename} must have the checksum {info.CRC:08x}")
    return member


def _array(member: bytes) -> Any:
    header = io.BytesIO(member)
    if np.lib.format.read_magic(header) == (1, 0):
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(header)
        if not is_fortran and not dtype.hasobject:
            return np.frombuffer(member, dtype, math.prod(shape), header.tell()).reshape(shape).copy()
    return np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
