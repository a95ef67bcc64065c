"""The screen of `render_mode="human"`: what it shows, at which pace, on what."""

import os
import re
import subprocess
import sys
import time

import numpy as np
import pygame
import pytest

from tests.play.fingers import pixels
from wm_gym.screen import Screen, fit, natural_scale

CHUNK = np.random.default_rng(0).integers(0, 256, (3, 8, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "area", "place"),
    [
        ((10, 10), (35, 100), (2, 35, 30, 30)),  # a whole factor, in the middle
        ((10, 10), (10, 10), (0, 0, 10, 10)),
        ((10, 20), (5, 5), (1, 0, 2, 5)),  # smaller than itself
    ],
)
def test_fit(size: tuple[int, int], area: tuple[int, int], place: tuple[int, int, int, int]) -> None:
    assert fit(size, pygame.Rect(0, 0, *area)) == pygame.Rect(place)


def test_a_new_window_is_about_as_large_for_every_world() -> None:
    assert [natural_scale(size) for size in ((64, 64), (96, 96), (480, 832), (2000, 100))] == [8, 5, 1, 1]


def test_the_last_frame_stays_on_the_screen_at_its_pace() -> None:
    screen = Screen("test", 20.0)
    begin = time.perf_counter()
    screen.show(CHUNK)
    screen.show(CHUNK)
    assert time.perf_counter() - begin >= 5 / 20
    np.testing.assert_array_equal(pixels(), CHUNK[-1].repeat(32, axis=0).repeat(32, axis=1))
    screen.close()
    screen.close()
    assert not pygame.display.get_init()


def run_python(code: str, **environment: str | None) -> str:
    """What the last line on stderr says after some code; a variable that is None is left out."""
    merged = os.environ | {"DISPLAY": None, "WAYLAND_DISPLAY": None} | environment
    kept = {name: value for name, value in merged.items() if value is not None}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, timeout=60)
    return done.stderr.strip().splitlines()[-1]


def test_no_display_is_told() -> None:
    error = run_python("import wm_gym.screen as s; s.open_window('test', (9, 9))", SDL_VIDEODRIVER=None)
    assert re.search(r"NoDisplayError: a window must have a display, got none \(.*\); set DISPLAY, play on", error)


def test_no_pygame_is_told() -> None:
    error = run_python("import sys; sys.modules['pygame'] = None; import wm_gym.screen")
    assert error.endswith('DependencyNotInstalled: a window needs pygame; run: pip install "wm-gym[play]"')


def test_a_window_that_another_screen_closed_opens_again() -> None:
    first, second = Screen("first", 100.0), Screen("second", 100.0)
    first.show(CHUNK)
    second.show(CHUNK)
    first.close()
    second.show(CHUNK)
    np.testing.assert_array_equal(pixels(), CHUNK[-1].repeat(32, axis=0).repeat(32, axis=1))
    second.close()
    assert not pygame.display.get_init()
