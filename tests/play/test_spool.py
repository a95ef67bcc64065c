"""The spool gives back what it was given, and leaves nothing behind."""

import weakref

import numpy as np

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
