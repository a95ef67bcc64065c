"""A pygame screen: opened with clear errors, frames enlarged without blur. `render_mode="human"` draws on it."""

import os
import time
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

try:
    import pygame as pygame  # the play modules take it from here, with the error below
except ImportError as error:
    raise gym.error.DependencyNotInstalled('a window needs pygame; run: pip install "wm-gym[play]"') from error

Frame = UInt8[np.ndarray, "height width 3"]
Chunk = UInt8[np.ndarray, "time height width 3"]

NATURAL_SIDE = 512  # pixels, about, of a frame's longer side in a new window
_INVISIBLE = ("offscreen", "dummy")  # what SDL falls back to where nobody can see it


class NoDisplayError(gym.error.Error):
    """There is no display to open a window on."""


def open_window(title: str, size: tuple[int, int]) -> pygame.Surface:
    """Open a resizable window and return its surface.

    Raises:
        NoDisplayError: there is no display.
    """
    require_display()
    try:
        surface = pygame.display.set_mode(size, pygame.RESIZABLE)
    except pygame.error as error:
        raise NoDisplayError(f"a window of {size} pixels must fit the display, got: {error}") from error
    pygame.display.set_caption(title)
    return surface


def require_display() -> None:
    """Check that a window can be opened.

    Raises:
        NoDisplayError: there is no display. SDL would draw where nobody looks; who wants that names its driver in
            SDL_VIDEODRIVER.
    """
    try:
        pygame.display.init()
        driver = pygame.display.get_driver()
        if driver in _INVISIBLE and os.environ.get("SDL_VIDEODRIVER") != driver:
            pygame.display.quit()
            raise pygame.error(f"SDL found only its {driver!r} driver")
    except pygame.error as error:
        raise NoDisplayError(
            f"a window must have a display, got none ({error}); set DISPLAY, play on a web page with --browser, or "
            "without a window with --script"
        ) from error


def natural_scale(frame_size: tuple[int, int]) -> int:
    """The whole factor that makes a frame (height, width) about as large as a new window wants it."""
    return max(1, NATURAL_SIDE // max(frame_size))


def fit(size: tuple[int, int], area: pygame.Rect) -> pygame.Rect:
    """Where something of `size` (width, height) goes in `area`: in its middle, as large as a whole factor makes it.

    Where not even the size itself has room, it shrinks.
    """
    factor = min(area.width / size[0], area.height / size[1])
    factor = float(int(factor)) if factor >= 1 else factor
    fitted = pygame.Rect(0, 0, max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    fitted.center = area.center
    return fitted


def draw_frame(target: pygame.Surface, frame: Frame, area: pygame.Rect) -> pygame.Rect:
    """Draw a frame into `area`, every pixel a square, and return where it went."""
    height, width, _ = frame.shape
    place = fit((width, height), area)
    image = pygame.image.frombuffer(np.ascontiguousarray(frame).tobytes(), (width, height), "RGB")
    target.blit(pygame.transform.scale(image, place.size), place)  # nearest neighbour
    return place


class Screen:
    """The window of one env: shows its chunks at their pace. pygame has one window a process, which screens share.

    Args:
        title: of the window.
        frames_per_second: how fast frames follow each other.
    """

    def __init__(self, title: str, frames_per_second: float) -> None:
        self._title = title
        self._pause = 1 / frames_per_second  # seconds
        self._due = 0.0
        self._surface: pygame.Surface | None = None

    def show(self, chunk: Chunk) -> None:
        """Show each frame for its time; the window opens with the first, and may be resized.

        Raises:
            NoDisplayError: there is no display.
        """
        for frame in chunk:
            surface = self._open(frame.shape[:2])
            time.sleep(max(0.0, self._due - time.perf_counter()))
            self._due = time.perf_counter() + self._pause
            pygame.event.pump()
            surface.fill((0, 0, 0))
            draw_frame(surface, frame, surface.get_rect())
            pygame.display.flip()

    def close(self) -> None:
        """Close the window; twice is fine."""
        if self._surface is not None:
            self._surface = None
            pygame.display.quit()

    def _open(self, frame_size: Any) -> pygame.Surface:
        """The surface of the window, which opens again where another screen closed it."""
        surface = None if self._surface is None else pygame.display.get_surface()
        if surface is None:
            scale = natural_scale((frame_size[0], frame_size[1]))
            surface = open_window(self._title, (scale * frame_size[1], scale * frame_size[0]))
        self._surface = surface
        return surface
