"""The line to type a text for the world on."""

import string

from wm_gym.screen import pygame

MAX_LENGTH = 256
_PRINTABLE = frozenset(string.printable) - frozenset("\t\n\r\x0b\x0c")


class TextLine:
    """A line that is open or not, and what was said on it before.

    Attributes:
        text: what stands on it; None while it is closed.
    """

    def __init__(self) -> None:
        self.text: str | None = None
        self._said: list[str] = []
        self._back = 0  # how far the arrow keys went into what was said

    def open(self) -> None:
        """Open it, empty."""
        self.text, self._back = "", 0

    def type(self, code: int, modifiers: int, character: str) -> str | None:
        """Take a key; return the text that Enter says, else None. Esc closes the line, the arrows bring texts back."""
        text = self.text or ""
        if code in (pygame.K_RETURN, pygame.K_KP_ENTER):
            self.text = None
            self._said = [*self._said[-99:], text]
            return text
        if code == pygame.K_ESCAPE:
            self.text = None
        elif code == pygame.K_BACKSPACE:
            self.text = "" if modifiers & pygame.KMOD_CTRL else text[:-1]
        elif code in (pygame.K_UP, pygame.K_DOWN):
            self._recall(1 if code == pygame.K_UP else -1)
        elif character in _PRINTABLE and len(text) < MAX_LENGTH:
            self.text = text + character
        return None

    def _recall(self, step: int) -> None:
        self._back = min(max(self._back + step, 0), len(self._said))
        self.text = self._said[-self._back] if self._back else ""
