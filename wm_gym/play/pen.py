"""Writes text on surfaces, in pygame's own font."""

from wm_gym.screen import pygame

Ink = tuple[int, int, int]

BACKGROUND: Ink = (18, 20, 26)
PAPER: Ink = (232, 234, 240)
FAINT: Ink = (138, 146, 162)
ACCENT: Ink = (255, 203, 92)
ALARM: Ink = (255, 106, 92)
GOOD: Ink = (98, 204, 134)


class Pen:
    """Writes in one size; needs no display.

    Attributes:
        line_height: pixels from one line to the next.

    Args:
        size: of the letters, in pixels.
    """

    def __init__(self, size: int) -> None:
        pygame.font.init()
        self._font = pygame.font.Font(None, size)
        self.line_height = round(size * 1.1)

    def width(self, text: str) -> int:
        """Pixels that a text takes."""
        return self._font.size(text)[0]

    def wrap(self, text: str, width: int, most: int) -> list[str]:
        """The words of a text on at most `most` lines; what has no room stands on the last."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.width(longer) <= width or not lines[-1] or len(lines) == most:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def write(self, target: pygame.Surface, text: str, ink: Ink, area: pygame.Rect, *, right: bool = False) -> None:
        """Write on the first line of `area`, from the left or up to the right; what has no room ends in dots."""
        if self.width(text) > area.width:
            while text and self.width(text + "...") > area.width:
                text = text[:-1]
            text += "..."
        image = self._font.render(text, True, ink)
        target.blit(image, (area.right - image.get_width() if right else area.left, area.top))
