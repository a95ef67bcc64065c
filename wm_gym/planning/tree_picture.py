"""The imagined tree as a picture: time runs to the right, the chosen way is drawn in green."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wm_gym.actions import Action
from wm_gym.planning.imagined_tree import ImaginedTree

FRAME_PIXELS = 96  # width of a frame
GAP_X, GAP_Y, MARGIN, LABEL_HEIGHT = 96, 14, 14, 15  # pixels
INK, FAINT, PAPER, CHOSEN = (40, 40, 40), (165, 165, 165), (255, 255, 255), (20, 150, 60)
FONT_SIZE = 12

Point = tuple[int, int]


def draw_tree(tree: ImaginedTree, *, max_moments: int = 40, max_depth: int = 32) -> Image.Image:
    """Draw the chosen way and, as far as there is room, the moments worth most beside it.

    A frame stands at each moment; the text that led there and what the planner thinks that it is worth stand on the
    line before it.

    Args:
        tree: what was imagined.
        max_moments: frames on the picture, those of the chosen way first.
        max_depth: moments from left to right; the chosen way breaks off there.
    """
    shown = _shown(tree, max_moments, max_depth)
    rows, depths = _place(tree, shown)
    height, width = tree.moments[0].frame.shape[:2]
    frame_height = round(FRAME_PIXELS * height / width)
    columns, lines = 1 + max(depths.values()), 1 + max(rows.values())
    size = (
        2 * MARGIN + columns * FRAME_PIXELS + (columns - 1) * GAP_X,
        2 * MARGIN + lines * (frame_height + GAP_Y),
    )
    picture = Image.new("RGB", size, PAPER)
    corners = {
        number: (
            MARGIN + depths[number] * (FRAME_PIXELS + GAP_X),
            MARGIN + rows[number] * (frame_height + GAP_Y),
        )
        for number in shown
    }
    for number in sorted(shown, key=lambda number: tree.moments[number].chosen):  # the chosen ones on top
        parent = tree.moments[number].parent
        if parent is not None:
            _draw_line(picture, tree, number, corners[parent], corners[number], frame_height)
    for number in shown:
        _draw_frame(picture, tree, number, corners[number], frame_height)
    return picture


def write_tree(path: str | Path, tree: ImaginedTree, *, max_moments: int = 40, max_depth: int = 32) -> None:
    """Write the picture of `draw_tree` as a PNG."""
    draw_tree(tree, max_moments=max_moments, max_depth=max_depth).save(path, format="PNG")


def _shown(tree: ImaginedTree, max_moments: int, max_depth: int) -> list[int]:
    """The moments to draw, each after its parent: the chosen ones, then the best whose parents are drawn."""
    children = tree.children()
    depth = {0: 0}
    shown = [0]
    frontier = list(children[0])
    while frontier and len(shown) < max(max_moments, 1):
        best = max(frontier, key=lambda number: (tree.moments[number].chosen, tree.moments[number].value))
        frontier.remove(best)
        parent = tree.moments[best].parent
        assert parent is not None, "only the root has none"
        depth[best] = depth[parent] + 1
        shown.append(best)
        if depth[best] < max_depth - 1:
            frontier += children[best]
    return shown


def _place(tree: ImaginedTree, shown: list[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Row (a leaf has one of its own, others stand beside their first child) and column of each moment."""
    among = set(shown)
    children = tree.children()
    rows: dict[int, int] = {}
    depths: dict[int, int] = {}
    next_row = 0
    stack = [(0, 0)]
    while stack:
        number, depth = stack.pop()
        depths[number] = depth
        below = sorted(
            (child for child in children[number] if child in among),
            key=lambda child: (not tree.moments[child].chosen, -tree.moments[child].value),
        )
        if not below:
            line = number  # a leaf: its row is also that of the ancestors that it is the first child of
            while line not in rows:
                rows[line] = next_row
                parent = tree.moments[line].parent
                if parent is None or parent in rows:
                    break
                line = parent
            next_row += 1
        stack += [(child, depth + 1) for child in reversed(below)]
    return rows, depths


def _draw_frame(picture: Image.Image, tree: ImaginedTree, number: int, corner: Point, frame_height: int) -> None:
    moment = tree.moments[number]
    scaled = Image.fromarray(np.ascontiguousarray(moment.frame)).resize(
        (FRAME_PIXELS, frame_height), Image.Resampling.NEAREST
    )
    picture.paste(scaled, corner)
    (left, top), width = corner, 4 if moment.chosen else 1
    box = (left - width, top - width, left + FRAME_PIXELS + width - 1, top + frame_height + width - 1)
    ImageDraw.Draw(picture).rectangle(box, outline=CHOSEN if moment.chosen else FAINT, width=width)


def _draw_line(
    picture: Image.Image, tree: ImaginedTree, number: int, start: Point, end: Point, frame_height: int
) -> None:
    """From the parent's right side down and over to the frame, with the text above and the worth below."""
    moment = tree.moments[number]
    draw = ImageDraw.Draw(picture)
    color, width = (CHOSEN, 4) if moment.chosen else (FAINT, 1)
    left, right = start[0] + FRAME_PIXELS, end[0]
    bend, middle = left + 8, (start[1] + frame_height // 2, end[1] + frame_height // 2)
    draw.line([(left, middle[0]), (bend, middle[0]), (bend, middle[1]), (right, middle[1])], fill=color, width=width)
    font = ImageFont.load_default(FONT_SIZE)
    at, ink = bend + 4, CHOSEN if moment.chosen else INK
    for line, text in enumerate(reversed(_wrap(_caption(moment.action), right - at - 2, font))):
        draw.text((at, middle[1] - 3 - (line + 1) * LABEL_HEIGHT), text, ink, font)
    draw.text((at, middle[1] + 3), f"{moment.value:.3g}", ink, font)


def _caption(action: Action | None) -> str:
    if isinstance(action, np.ndarray):
        return " ".join(f"{number:.2g}" for number in action)
    return action or "(nothing)"


def _wrap(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """The text in at most three lines of whole words; what is left over is cut with an ellipsis."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > 3:
        lines = [*lines[:2], f"{lines[2]}..."]
    return [line if font.getlength(line) <= width else _cut(line, width, font) for line in lines]


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while len(text) > 1 and font.getlength(f"{text}...") > width:
        text = text[:-1]
    return f"{text}..."
