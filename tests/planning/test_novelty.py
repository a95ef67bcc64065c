"""Codes of frames, and which of them are new."""

import numpy as np
import pytest

from tests.worlds import draw
from wm_gym.planning.novelty import Novelty, PatchCodes


def boards(*cells: tuple[int, int]) -> np.ndarray:
    return np.stack([draw(cell) for cell in cells])


def test_equal_patches_have_equal_numbers() -> None:
    codes = PatchCodes().encode(boards((0, 0), (1, 0)))
    assert codes.shape == (2, 16)
    tile, board, goal = codes[0, 0], codes[0, 1], codes[0, 15]
    assert len({tile, board, goal}) == 3
    assert codes[1].tolist() == [board, tile, *[board] * 13, goal]


def test_numbers_stay_from_call_to_call() -> None:
    patch_codes = PatchCodes()
    first = patch_codes.encode(boards((0, 0)))
    patch_codes.encode(np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8))
    np.testing.assert_array_equal(patch_codes.encode(boards((0, 0))), first)


@pytest.mark.parametrize(("shift", "is_same"), [(9, True), (11, False)])
def test_tolerance_is_in_grey_levels(shift: int, is_same: bool) -> None:
    frames = boards((0, 0))
    codes = PatchCodes(tolerance=10.0).encode(np.concatenate([frames, frames + np.uint8(shift)]))
    assert bool((codes[0] == codes[1]).all()) is is_same


def test_a_difference_in_one_patch_is_not_averaged_away() -> None:
    frames = boards((0, 0), (0, 0))
    frames[1, :8, :8] = 0
    codes = PatchCodes().encode(frames)
    assert (codes[0] != codes[1]).sum() == 1


def test_frames_that_patches_do_not_fit_are_filled_up() -> None:
    assert PatchCodes(patch=8).encode(np.zeros((3, 10, 17, 3), np.uint8)).shape == (3, 2 * 3)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"patch": 0}, "patch must be"), ({"tolerance": -1.0}, "tolerance")]
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PatchCodes(**arguments)  # type: ignore[arg-type]


def test_a_state_is_new_once() -> None:
    novelty = Novelty()
    codes = np.array([[0, 1], [0, 2], [0, 1]])
    assert novelty.add(codes) == [True, True, False]
    assert novelty.add(codes) == [False] * 3


def test_novelty_is_that_of_the_rarest_patch_by_place() -> None:
    novelty = Novelty()
    codes = np.array([[0, 1], [0, 2], [0, 3], [3, 1], [3, 4]])
    novelty.add(codes)
    assert [novelty.of(row) for row in codes] == [1 / 2, 1, 1, 1 / 2, 1]
