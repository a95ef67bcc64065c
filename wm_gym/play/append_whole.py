"""Appending to files that grow while people play: on a full disk the file stays as it was, and reads on."""

import io


def append_whole(file: io.FileIO, data: bytes) -> int:
    """Write at the end of an unbuffered file, all of it or nothing.

    Returns:
        Where the data lies in the file, in bytes.

    Raises:
        OSError: the disk is full.
    """
    offset = file.seek(0, io.SEEK_END)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        file.truncate(offset)
        raise
    return offset
