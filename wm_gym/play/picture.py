"""The picture of a scene: frames without blur, the numbers below, help and text line above. It needs no display."""

import numpy as np
from jaxtyping import UInt8

from wm_gym.play.hud import MARGIN, hud_height, paint_hud, paint_message
from wm_gym.play.overlay import Overlay
from wm_gym.play.pen import ACCENT, BACKGROUND, PAPER, Pen
from wm_gym.play.scene import Scene
from wm_gym.screen import draw_frame, natural_scale, pygame

Picture = UInt8[np.ndarray, "height width 3"]

SMALLEST, LARGEST = 15, 24  # pixels of a letter
_LETTERS = 28  # of which one is as wide as the picture: how letters grow with it


class Painter:
    """Paints scenes, on surfaces of any size."""

    def __init__(self) -> None:
        self._pens: dict[int, Pen] = {}

    def natural_size(self, scene: Scene) -> tuple[int, int]:
        """(width, height) at which every pixel of a frame is a square and all has room."""
        height, width = scene.panels[0].chunk.shape[1:3]
        scale = natural_scale((height, width))
        scale = max(1, scale * 3 // 4) if len(scene.panels) > 1 else scale
        total = (scale * width + MARGIN) * len(scene.panels) + MARGIN
        return total, scale * height + 2 * MARGIN + hud_height(self._pen(total))

    def paint(self, target: pygame.Surface, scene: Scene, frame: int, overlay: Overlay) -> None:
        """Paint frame number `frame` of the scene's chunks; those that have fewer show their last."""
        pen = self._pen(target.get_width())
        target.fill(BACKGROUND)
        area = target.get_rect()
        if overlay.hud:
            area.height = max(1, area.height - hud_height(pen))
            paint_hud(target, scene, overlay, pygame.Rect(0, area.height, area.width, hud_height(pen)), pen)
        self._paint_frames(target, scene, frame, area)
        if scene.failed and not overlay.hud:
            paint_message(target, scene, area.inflate(-2 * MARGIN, -2 * MARGIN), pen)
        if overlay.help:
            self._paint_help(target, overlay.help, pen)
        if overlay.line is not None:
            _paint_line(target, overlay.line, pen)

    def _paint_frames(self, target: pygame.Surface, scene: Scene, frame: int, area: pygame.Rect) -> None:
        width = (area.width - MARGIN) // len(scene.panels)
        for index, panel in enumerate(scene.panels):
            place = pygame.Rect(MARGIN + index * width, MARGIN, width - MARGIN, max(1, area.height - 2 * MARGIN))
            draw_frame(target, panel.chunk[min(frame, len(panel.chunk) - 1)], place)

    def _paint_help(self, target: pygame.Surface, lines: tuple[tuple[str, str], ...], pen: Pen) -> None:
        _shade(target)
        area = target.get_rect().inflate(-4 * MARGIN, -4 * MARGIN)
        size = min(pen.line_height, max(1, area.height // len(lines)))
        pen = pen if size == pen.line_height else self._pen_of(max(8, round(size / 1.1)))
        column = max(pen.width(label) for label, _ in lines) + 2 * MARGIN
        for index, (label, meaning) in enumerate(lines):
            line = pygame.Rect(area.left, area.top + index * size, area.width, size)
            pen.write(target, label, ACCENT, line)
            pen.write(target, meaning, PAPER, pygame.Rect(line.left + column, line.top, line.width - column, size))

    def _pen(self, width: int) -> Pen:
        return self._pen_of(min(max(width // _LETTERS, SMALLEST), LARGEST))

    def _pen_of(self, size: int) -> Pen:
        if size not in self._pens:
            self._pens[size] = Pen(size)
        return self._pens[size]


def to_array(surface: pygame.Surface) -> Picture:
    """The pixels of a surface, in memory of their own."""
    return np.ascontiguousarray(pygame.surfarray.array3d(surface).swapaxes(0, 1))


def _paint_line(target: pygame.Surface, text: str, pen: Pen) -> None:
    """The text line, at the bottom; of a long text its end is seen."""
    height = pen.line_height + MARGIN
    area = pygame.Rect(0, target.get_height() - height, target.get_width(), height)
    target.fill(BACKGROUND, area)
    place = pygame.Rect(MARGIN, area.top, area.width - 2 * MARGIN, pen.line_height)
    shown = f"say: {text}_"
    while pen.width(shown) > place.width and len(text) > 1:
        text = text[1:]
        shown = f"say: ...{text}_"
    pen.write(target, shown, PAPER, place)


def _shade(target: pygame.Surface) -> None:
    """Darken all, so that letters on it can be read."""
    shade = pygame.Surface(target.get_size(), pygame.SRCALPHA)
    shade.fill((*BACKGROUND, 244))
    target.blit(shade, (0, 0))
