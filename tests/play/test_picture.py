"""Pictures: frames as whole squares, numbers that can be hidden, help, and no display needed."""

import math
import os
import subprocess
import sys

import numpy as np
import pygame
import pytest

from wm_gym.play.overlay import Overlay
from wm_gym.play.pen import ALARM, Pen
from wm_gym.play.picture import Painter, Picture, to_array
from wm_gym.play.scene import Panel, Scene

FRAME = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def scene(num_panels: int = 1, message: str = "", failed: bool = False, **changes: object) -> Scene:
    panel = Panel(name="dream", chunk=np.stack([FRAME, FRAME[::-1]]), reward=1.0, total=2.0, ended="")
    values = {"action": "go", "step": 3, "seed": 0, "num_undone": 0, "bookmarks": (1, 3), "uncertainty": 0.1}
    return Scene(world="ledger", panels=(panel,) * num_panels, message=message, failed=failed, **(values | changes))  # type: ignore[arg-type]


def paint(shown: Scene, overlay: Overlay, frame: int = 0, size: tuple[int, int] | None = None) -> Picture:
    painter = Painter()
    surface = pygame.Surface(painter.natural_size(shown) if size is None else size)
    painter.paint(surface, shown, frame, overlay)
    return to_array(surface)


@pytest.mark.parametrize(("num_panels", "scale"), [(1, 64), (2, 48)])
def test_every_pixel_is_a_square(num_panels: int, scale: int) -> None:
    picture = paint(scene(num_panels), Overlay())
    enlarged = FRAME.repeat(scale, axis=0).repeat(scale, axis=1)
    for index in range(num_panels):
        left = 8 + index * (8 * scale + 8)
        np.testing.assert_array_equal(picture[8 : 8 + 8 * scale, left : left + 8 * scale], enlarged)


def test_frames_of_a_chunk_are_shown_by_number() -> None:
    first, second, last = (paint(scene(), Overlay(), frame)[10:500, 10:500] for frame in (0, 1, 7))
    assert (first != second).any()
    np.testing.assert_array_equal(second, last)


def test_without_numbers_only_frames_are_seen() -> None:
    picture = paint(scene(), Overlay(hud=False), size=(528, 528))
    below = picture[-8:]
    assert (below == below[0, 0]).all()
    assert (paint(scene(), Overlay(hud=True), size=(528, 660))[-100:] != below[0, 0]).any()


@pytest.mark.parametrize(
    "overlay",
    [
        Overlay(mode="running"),
        Overlay(steps_per_second=9.0),
        Overlay(thinking_seconds=3),
        Overlay(filming=True),
        Overlay(line="turn"),
        Overlay(help=(("left", "turn left"), ("", ""))),
    ],
    ids=lambda overlay: str(overlay)[:60],
)
def test_what_the_window_knows_is_seen(overlay: Overlay) -> None:
    assert (paint(scene(), overlay) != paint(scene(), Overlay())).any()


def test_what_the_session_says_is_seen() -> None:
    plain = paint(scene(), Overlay())
    for other in (scene(message="no"), scene(step=4), scene(bookmarks=()), scene(uncertainty=0.9), scene(num_undone=2)):
        assert (paint(other, Overlay()) != plain).any()
    assert (paint(scene(message="no"), Overlay()) != paint(scene(message="no", failed=True), Overlay())).any()


@pytest.mark.parametrize("size", [(40, 30), (1, 1), (3000, 200), (90, 900)])
def test_any_size_can_be_painted(size: tuple[int, int]) -> None:
    shown = scene(2, action="a very long text " * 12, message="a long message " * 30)
    overlay = Overlay(line="typing " * 30, help=(("key", "meaning"),) * 40)
    assert paint(shown, overlay, size=size).shape == (size[1], size[0], 3)


def test_an_uncertainty_that_is_no_number_is_left_out() -> None:
    np.testing.assert_array_equal(
        paint(scene(uncertainty=math.nan), Overlay()), paint(scene(uncertainty=None), Overlay())
    )


def test_numbers_as_an_action_are_spelled() -> None:
    assert (paint(scene(action=(0.5, -1.0)), Overlay()) != paint(scene(action=(0.5, 1.0)), Overlay())).any()


def test_pictures_need_no_display() -> None:
    code = "import tests.play.test_picture as t; print(t.paint(t.scene(), t.Overlay()).shape)"
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "SDL_VIDEODRIVER")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("3)")


LONG = (
    "policy mixed must play the dream, got AttributeError; one that reads the simulator plays where the twin does: F9"
)


def test_a_long_message_takes_the_lines_that_it_needs() -> None:
    pen = Pen(18)
    lines = pen.wrap(LONG, 400, 4)
    assert len(lines) > 1 and " ".join(lines) == LONG
    assert max(map(pen.width, lines)) <= 400
    assert len(pen.wrap(LONG * 9, 400, 4)) == 4
    assert pen.wrap("x" * 400, 400, 4) == ["x" * 400]
    red = (paint(scene(message=LONG, failed=True, num_undone=0), Overlay()) == ALARM).all(axis=2).any(axis=1)
    one_line = (paint(scene(message="no", failed=True, num_undone=0), Overlay()) == ALARM).all(axis=2).any(axis=1)
    assert red.sum() > 1.5 * one_line.sum()


def test_why_something_failed_is_told_without_the_numbers_too() -> None:
    plain, failed, fine = (
        paint(scene(message=message, failed=bool(failed)), Overlay(hud=False), size=(528, 528))
        for message, failed in (("", 0), ("no", 1), ("yes", 0))
    )
    assert (failed == ALARM).all(axis=2).any()
    np.testing.assert_array_equal(fine, plain)
