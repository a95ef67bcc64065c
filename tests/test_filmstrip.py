"""The pictures of a dream, down to the pixel where it matters."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest

from wm_gym.filmstrip import ALARM, CAPTION_HEIGHT, GAP, LABEL_WIDTH, PAPER, Shot, draw_strip, write_gif

BLUE, GREEN = (np.full((16, 16, 3), colour, np.uint8) for colour in ((0, 0, 200), (0, 150, 0)))
PAIR = Shot(caption="turn left", dream=BLUE, real=GREEN)
WRONG = Shot(caption="turn left", dream=BLUE, real=GREEN, differs=True)
LEFT, TOP = LABEL_WIDTH, GAP + CAPTION_HEIGHT  # of the first dreamed frame


def pixel(strip: object, x: int, y: int) -> tuple[int, ...]:
    """A pixel of a picture."""
    return tuple(int(value) for value in np.asarray(strip)[y, x])


def test_strip_shows_the_dream_above_the_twin() -> None:
    strip = draw_strip([PAIR])
    assert pixel(strip, LEFT + 16, TOP + 16) == (0, 0, 200)
    assert pixel(strip, LEFT + 16, TOP + 32 + GAP + 16) == (0, 150, 0)


def test_strip_marks_a_dream_that_differs() -> None:
    assert pixel(draw_strip([WRONG]), LEFT, TOP) == ALARM
    assert pixel(draw_strip([PAIR]), LEFT, TOP) == (0, 0, 200)


def test_strip_without_a_twin_has_one_row() -> None:
    alone = Shot(caption="turn left", dream=BLUE)
    assert draw_strip([PAIR]).height - draw_strip([alone]).height == 32 + GAP


def test_strip_breaks_into_bands_of_eight() -> None:
    one, eight, nine = (draw_strip([PAIR] * count) for count in (1, 8, 9))
    assert eight.height == one.height
    assert nine.size == (eight.width, 2 * one.height)


@pytest.mark.parametrize("caption", ["", "a very long text " * 15, "two\nlines"])
def test_caption_stays_inside_its_column(caption: str) -> None:
    strip = np.asarray(draw_strip([Shot(caption=caption, dream=BLUE), Shot(caption=" ", dream=BLUE)]))
    beside = strip[GAP : GAP + CAPTION_HEIGHT, LEFT + 32 : LEFT + 32 + GAP]
    assert (beside == PAPER).all()


def test_gif_has_a_frame_a_shot_four_times_as_large_with_a_bar_below(tmp_path: Path) -> None:
    shots = [Shot(caption=text, dream=BLUE) for text in ("start", "turn left", "wait")]
    write_gif(tmp_path / "dream.gif", shots, frames_per_second=2.0)
    film = imageio.imread(tmp_path / "dream.gif", index=None)
    assert film.shape[:3] == (3, 64 + 2 * CAPTION_HEIGHT, 64)
    np.testing.assert_allclose(film[0, :64, :, :3], np.broadcast_to((0, 0, 200), (64, 64, 3)), atol=4)
