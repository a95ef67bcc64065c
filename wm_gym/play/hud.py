"""The numbers below the frames: what was said, what it gave, how sure the model is, who moves and how fast."""

import math

from wm_gym.play.overlay import Overlay
from wm_gym.play.pen import ACCENT, ALARM, BACKGROUND, FAINT, GOOD, PAPER, Ink, Pen
from wm_gym.play.scene import Panel, Scene, spell
from wm_gym.screen import pygame

NUM_LINES = 6
MARGIN = 8  # pixels
FULL_UNCERTAINTY = 1.0  # the bar's end: latents lie in [-1, 1]
MESSAGE_LINES = 4  # that a long message may take
HINT = "F1 help   Enter text   Backspace undo"
_BAR_WIDTH = 0.3  # of the picture


def hud_height(pen: Pen) -> int:
    """Pixels that the numbers take."""
    return NUM_LINES * pen.line_height + 2 * MARGIN


def paint_hud(target: pygame.Surface, scene: Scene, overlay: Overlay, area: pygame.Rect, pen: Pen) -> None:
    """Write the numbers into `area`."""
    area = area.inflate(-2 * MARGIN, -2 * MARGIN)
    lines = [
        pygame.Rect(area.left, area.top + index * pen.line_height, area.width, pen.line_height)
        for index in range(NUM_LINES)
    ]
    _write_panels(target, scene.panels, lines[0], pen)
    undone = f" ({scene.num_undone} undone)" if scene.num_undone else ""
    _write_pair(target, spell(scene.action) if scene.step else "start", f"step {scene.step}{undone}", lines[1], pen)
    pen.write(target, _pace(scene, overlay), FAINT, lines[2])
    stages = "   ".join(f"{stage} {value:.1f}" for stage, value in scene.latencies.items())
    pen.write(target, f"{stages} ms" if stages else "", FAINT, lines[3])
    _paint_uncertainty(target, scene.uncertainty, lines[4], pen)
    _write_marks(target, scene.bookmarks, overlay.filming, lines[4], pen)
    if scene.message:
        paint_message(target, scene, area, pen)
    else:
        pen.write(target, HINT, FAINT, lines[5])


def paint_message(target: pygame.Surface, scene: Scene, area: pygame.Rect, pen: Pen) -> None:
    """Tell the player the scene's message, on the last lines of `area` and on as many as it needs."""
    lines = pen.wrap(scene.message, area.width, MESSAGE_LINES)
    height = len(lines) * pen.line_height
    place = pygame.Rect(area.left, area.bottom - height, area.width, height)
    target.fill(BACKGROUND, place)
    for index, line in enumerate(lines):
        ink = ALARM if scene.failed else GOOD
        pen.write(target, line, ink, place.move(0, index * pen.line_height))


def _write_panels(target: pygame.Surface, panels: tuple[Panel, ...], line: pygame.Rect, pen: Pen) -> None:
    """One column an env, below its frame."""
    width = line.width // len(panels)
    for index, panel in enumerate(panels):
        column = pygame.Rect(line.left + index * width, line.top, width - MARGIN, line.height)
        text = f"{panel.name}   reward {panel.reward:+.3g}   return {panel.total:.4g}   {panel.ended}"
        pen.write(target, text, GOOD if panel.reward > 0 else ALARM if panel.ended else PAPER, column)


def _write_pair(target: pygame.Surface, left: str, right: str, line: pygame.Rect, pen: Pen) -> None:
    room = line.width - pen.width(right) - MARGIN
    pen.write(target, left, ACCENT, pygame.Rect(line.left, line.top, max(room, 0), line.height))
    pen.write(target, right, PAPER, line, right=True)


def _pace(scene: Scene, overlay: Overlay) -> str:
    """Who moves, how fast, where it began."""
    parts = [scene.world, overlay.mode, f"seed {scene.seed}"]
    if overlay.steps_per_second:
        parts.append(f"{overlay.steps_per_second:.1f} steps/s")
    if overlay.thinking_seconds:
        parts.append(f"thinking for {overlay.thinking_seconds} s")
    return "   ".join(part for part in parts if part)


def _paint_uncertainty(target: pygame.Surface, value: float | None, line: pygame.Rect, pen: Pen) -> None:
    if value is None or math.isnan(value):  # a checkpoint whose training broke gives NaN
        return
    label = "uncertainty"
    pen.write(target, label, FAINT, line)
    left = line.left + pen.width(label) + MARGIN
    bar = pygame.Rect(left, line.top + 2, round(_BAR_WIDTH * line.width), line.height - 6)
    share = min(max(value / FULL_UNCERTAINTY, 0.0), 1.0) ** 0.5  # what is usual lies at the low end
    ink: Ink = (round(98 + 157 * share), round(204 - 98 * share), 100)  # green to red
    pygame.draw.rect(target, (48, 52, 62), bar, border_radius=3)
    pygame.draw.rect(target, ink, pygame.Rect(bar.topleft, (round(share * bar.width), bar.height)), border_radius=3)
    place = pygame.Rect(bar.right + MARGIN, line.top, line.right - bar.right, line.height)
    pen.write(target, f"{value:.2f}", FAINT, place)


def _write_marks(
    target: pygame.Surface, bookmarks: tuple[int, ...], filming: bool, line: pygame.Rect, pen: Pen
) -> None:
    marks = "bookmarks " + " ".join(map(str, bookmarks)) if bookmarks else ""
    end = line.copy()
    if filming:
        pen.write(target, "REC", ALARM, line, right=True)
        end.width -= pen.width("REC") + 2 * MARGIN
    pen.write(target, marks, PAPER, end, right=True)
