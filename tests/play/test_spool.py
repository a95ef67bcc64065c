"""The spool gives back what it was given, and leaves nothing behind."""

import subprocess
import sys
import weakref

import numpy as np
import pytest

from wm_gym.play.spool import Spool


def test_chunks_come_back_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    chunks = [rng.integers(0, 256, (2, 5, 3, 3), dtype=np.uint8) for _ in range(20)]
    spool = Spool((2, 5, 3, 3))
    spans = [spool.append(chunk) for chunk in chunks]
    for span, chunk in reversed(list(zip(spans, chunks, strict=True))):
        np.testing.assert_array_equal(spool.read(span), chunk)


def test_a_read_chunk_is_the_callers_own() -> None:
    spool = Spool((1, 2, 2, 3))
    span = spool.append(np.zeros((1, 2, 2, 3), np.uint8))
    spool.read(span)[:] = 9
    assert spool.read(span).max() == 0


def test_the_file_is_closed_with_the_spool() -> None:
    spool = Spool((1, 2, 2, 3))
    spool.append(np.zeros((1, 2, 2, 3), np.uint8))
    closed: list[bool] = []
    weakref.finalize(spool._file, closed.append, True)
    del spool
    assert closed == [True]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit for files")
def test_a_full_disk_is_told_and_what_was_kept_can_be_read() -> None:
    code = """
import resource
import numpy as np
from wm_gym.play.spool import Spool
noise = np.random.default_rng(0).integers(0, 256, (1, 30, 30, 3), dtype=np.uint8)
spool = Spool(noise.shape)
kept = spool.append(noise)
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, resource.RLIM_INFINITY))
try:
    spool.append(noise)
except OSError:
    assert (spool.read(kept) == noise).all()
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert (spool.read(spool.append(noise)) == noise).all()
    print("told")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("told\n", "")
