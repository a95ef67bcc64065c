"""Fingers on a keyboard that is not there: events for pygame, posted from any thread."""

import threading
import time
from collections.abc import Callable

import pygame

from wm_gym.play.picture import Picture, to_array
from wm_gym.play.window import Window


def press(key: int, modifiers: int = 0, character: str = "") -> None:
    """Put a key down."""
    pygame.event.post(pygame.Event(pygame.KEYDOWN, key=key, mod=modifiers, unicode=character))


def release(key: int, modifiers: int = 0) -> None:
    """Let a key up."""
    pygame.event.post(pygame.Event(pygame.KEYUP, key=key, mod=modifiers))


def tap(key: int, modifiers: int = 0, character: str = "") -> None:
    """Press a key and let it up."""
    press(key, modifiers, character)
    release(key, modifiers)


def type_text(text: str) -> None:
    """Type characters, one after the other."""
    for character in text:
        tap(ord(character), character=character)


def pixels() -> Picture:
    """What the display shows."""
    surface = pygame.display.get_surface()
    assert surface is not None
    return to_array(surface)


def play(window: Window, player: Callable[[], None]) -> None:
    """Run a window in this thread while `player` acts in another; then close it.

    What the player or the session raises is raised here.
    """
    errors: list[BaseException] = []
    done = threading.Event()

    def act() -> None:
        try:
            player()
        except BaseException as error:
            errors.append(error)
        done.set()

    thread = threading.Thread(target=act, daemon=True)
    try:
        thread.start()
        window.run(done.is_set)
        thread.join(10)
    finally:
        window.close()
    if errors:
        raise errors[0]


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


def shown(window: Window, action: str, step: int) -> None:
    """Wait until the window shows this."""
    until(lambda: (window.scene.action, window.scene.step) == (action, step))


def told(window: Window, message: str) -> None:
    """Wait until the window says this."""
    until(lambda: message in window.scene.message)
