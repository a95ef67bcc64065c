"""Pictures of a dream: a GIF with the texts as captions, and a strip with the real twin below."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

Frame = UInt8[np.ndarray, "height width 3"]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

GIF_SCALE, STRIP_SCALE = 4, 2  # pixels a side of one pixel of a 64x64 frame
COLUMNS = 8  # of the strip, before it breaks into the next band
GAP, LABEL_WIDTH, CAPTION_HEIGHT = 4, 52, 18  # pixels
INK, PAPER, ALARM = (30, 30, 30), (255, 255, 255), (220, 30, 30)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shot:
    """What stands on the pictures for one step.

    Attributes:
        caption: the text that led here, with the reward that the dream gave for it.
        dream: the learned world's frame.
        real: the twin's frame; None without a twin.
        differs: whether the dream shows another state than the twin is in.
    """

    caption: str
    dream: Frame
    real: Frame | None = None
    differs: bool = False


def write_gif(path: Path, shots: Sequence[Shot], *, frames_per_second: float) -> None:
    """Write the dream as an endless GIF, four times its size, each frame above the text that led to it."""
    pictures = [_captioned(shot) for shot in shots]
    pause = round(1000 / frames_per_second)  # ms
    durations = [pause] * (len(pictures) - 1) + [4 * pause]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)


def draw_strip(shots: Sequence[Shot]) -> Image.Image:
    """Draw the dream above its twin, in time from left to right, in bands of eight.

    Frames of the dream that show another state than the twin's have a red border.
    """
    rows = ["dream"] if shots[0].real is None else ["dream", "real"]
    height, width = (STRIP_SCALE * side + GAP for side in shots[0].dream.shape[:2])
    band_height = CAPTION_HEIGHT + len(rows) * height + 2 * GAP
    num_bands = -(-len(shots) // COLUMNS)
    strip = Image.new("RGB", (LABEL_WIDTH + min(len(shots), COLUMNS) * width, num_bands * band_height), PAPER)
    for i, shot in enumerate(shots):
        band, column = divmod(i, COLUMNS)
        corner = (LABEL_WIDTH + column * width, GAP + band * band_height)
        _paste_column(strip, shot, corner)
        if column == 0:
            for row, name in enumerate(rows):
                at = (GAP, corner[1] + CAPTION_HEIGHT + row * height + height // 2)
                ImageDraw.Draw(strip).text(at, name, INK, _font(14), anchor="lm")
    return strip


def _paste_column(strip: Image.Image, shot: Shot, corner: tuple[int, int]) -> None:
    """Draw one step: the text, the dream, the twin."""
    draw = ImageDraw.Draw(strip)
    left, top = corner
    dream = _enlarge(shot.dream, STRIP_SCALE)
    draw.text((left, top), _shorten(shot.caption, dream.width, _font(12)), ALARM if shot.differs else INK, _font(12))
    top += CAPTION_HEIGHT
    strip.paste(dream, (left, top))
    if shot.differs:
        draw.rectangle((left, top, left + dream.width - 1, top + dream.height - 1), outline=ALARM, width=3)
    if shot.real is not None:
        strip.paste(_enlarge(shot.real, STRIP_SCALE), (left, top + dream.height + GAP))


def _captioned(shot: Shot) -> Image.Image:
    """One frame of the GIF."""
    frame = _enlarge(shot.dream, GIF_SCALE)
    bar = 2 * CAPTION_HEIGHT
    picture = Image.new("RGB", (frame.width, frame.height + bar), INK)
    picture.paste(frame, (0, 0))
    text = _shorten(shot.caption, frame.width - 2 * GAP, _font(18))
    middle = (frame.width // 2, frame.height + bar // 2)
    ImageDraw.Draw(picture).text(middle, text, PAPER, _font(18), anchor="mm")
    return picture


def _enlarge(frame: Frame, scale: int) -> Image.Image:
    """The frame with every pixel as a square."""
    return Image.fromarray(frame.repeat(scale, axis=0).repeat(scale, axis=1))


def _shorten(text: str, width: int, font: Font) -> str:
    """The text on one line, cut with an ellipsis to `width` pixels; silence is written out."""
    text = " ".join(text.split()) or "(nothing)"
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _font(size: int) -> Font:
    """PIL's own font."""
    return ImageFont.load_default(size)
