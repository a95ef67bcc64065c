"""Descriptors of frames."""

import numpy as np

from wm_gym.evaluation.long.descriptors import describe, pool


def test_one_vector_a_frame_for_any_size() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 50, 37, 3), dtype=np.uint8)
    assert describe(frames).shape == (3, 8 * 8 * 3 + 4 * 4 * 4)


def test_even_frame_is_its_colour_and_no_edge() -> None:
    vector = describe(np.full((1, 64, 64, 3), (0, 51, 255), dtype=np.uint8))[0]
    np.testing.assert_allclose(vector[:192].reshape(64, 3), np.tile([0, 0.2, 1], (64, 1)), atol=1e-6)
    assert vector[192:].max() == 0


def test_edge_is_told_by_its_direction() -> None:
    upright = np.zeros((1, 64, 64, 3), np.uint8)
    upright[:, :, 30:] = 255
    edges = [describe(frames)[0, 192:].reshape(16, 4).sum(0) for frames in (upright, upright.swapaxes(1, 2))]
    assert int(np.argmax(edges[0])) == 0
    assert int(np.argmax(edges[1])) == 2


def test_cells_are_means() -> None:
    values = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(pool(values, 2)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])
