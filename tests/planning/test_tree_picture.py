"""The picture of the imagined tree."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.worlds import draw
from wm_gym.planning import ImaginedTree, draw_tree, write_tree
from wm_gym.planning.tree_picture import CHOSEN, FAINT, FRAME_PIXELS, GAP_X, GAP_Y, MARGIN


def tree_of_three_ways() -> ImaginedTree:
    """From now to the right, down (chosen, then right) and nothing."""
    tree = ImaginedTree.rooted(draw((0, 0)))
    tree.add(0, "go right", draw((1, 0)), 0.1)
    down = tree.add(0, "go down", draw((0, 1)), 0.5)
    tree.add(0, "", draw((0, 0)), -1.0)
    tree.choose(tree.add(down, "go right, as far as the way that lies before you will lead", draw((1, 1)), 0.75))
    return tree


def corner(column: int, row: int) -> tuple[int, int]:
    return MARGIN + column * (FRAME_PIXELS + GAP_X), MARGIN + row * (FRAME_PIXELS + GAP_Y)


def frame_at(picture: Image.Image, column: int, row: int) -> np.ndarray:
    """The frame that stands there, at its own size."""
    left, top = corner(column, row)
    box = (left, top, left + FRAME_PIXELS, top + FRAME_PIXELS)
    return np.asarray(picture.crop(box))[1::3, 1::3]


def test_frames_stand_at_their_moments_the_chosen_way_on_top() -> None:
    picture = draw_tree(tree_of_three_ways())
    for (column, row), cell in {(0, 0): (0, 0), (1, 0): (0, 1), (2, 0): (1, 1), (1, 1): (1, 0), (1, 2): (0, 0)}.items():
        np.testing.assert_array_equal(frame_at(picture, column, row), draw(cell))


def test_chosen_frames_and_lines_are_green() -> None:
    picture = draw_tree(tree_of_three_ways())
    borders = {
        (column, row): picture.getpixel((corner(column, row)[0] - 1, corner(column, row)[1] + 3))
        for column, row in ((1, 0), (2, 0))
    }
    assert set(borders.values()) == {CHOSEN}
    left, top = corner(1, 1)
    assert picture.getpixel((left - 1, top + 3)) == FAINT
    between = corner(2, 0)[0] - GAP_X // 2
    assert picture.getpixel((between, corner(2, 0)[1] + FRAME_PIXELS // 2)) == CHOSEN


def test_picture_has_room_for_what_is_shown() -> None:
    picture = draw_tree(tree_of_three_ways())
    right, bottom = corner(2, 2)
    assert right + FRAME_PIXELS < picture.width <= right + FRAME_PIXELS + 2 * MARGIN
    assert bottom + FRAME_PIXELS < picture.height


def test_limit_leaves_the_worst_out_and_the_chosen_way_in() -> None:
    picture = draw_tree(tree_of_three_ways(), max_moments=4)
    np.testing.assert_array_equal(frame_at(picture, 2, 0), draw((1, 1)))
    np.testing.assert_array_equal(frame_at(picture, 1, 1), draw((1, 0)))
    assert picture.height < corner(0, 2)[1] + FRAME_PIXELS


def test_long_way_breaks_off() -> None:
    tree = ImaginedTree.rooted(draw((0, 0)))
    at = 0
    for _ in range(9):
        at = tree.add(at, "wait", draw((0, 0)), 0.0)
    tree.choose(at)
    assert draw_tree(tree, max_depth=4).width == 2 * MARGIN + 4 * FRAME_PIXELS + 3 * GAP_X


def test_png_is_written(tmp_path: Path) -> None:
    write_tree(tmp_path / "tree.png", tree_of_three_ways())
    with Image.open(tmp_path / "tree.png") as picture:
        assert picture.format == "PNG" and picture.size == draw_tree(tree_of_three_ways()).size


def test_tree_of_one_moment_is_drawn() -> None:
    assert draw_tree(ImaginedTree.rooted(draw((0, 0)))).width == 2 * MARGIN + FRAME_PIXELS


def test_numbers_are_captions_too() -> None:
    tree = ImaginedTree.rooted(draw((0, 0)))
    tree.add(0, np.array([0.5, -1.0], np.float32), draw((1, 0)), 0.0)
    assert np.asarray(draw_tree(tree)).shape[2] == 3
