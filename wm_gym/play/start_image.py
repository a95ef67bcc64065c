"""A picture from anywhere, made into the first frame of a world."""

import io
import os

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

Frame = UInt8[np.ndarray, "height width 3"]


def read_start_image(path: str | os.PathLike[str] | io.BytesIO, frame_size: tuple[int, int]) -> Frame:
    """Read an image file, cut its middle to the shape of a frame and resize it.

    Args:
        path: the file, or its bytes.
        frame_size: (height, width) in pixels.

    Raises:
        ValueError: it is no image, or a broken one.
    """
    height, width = frame_size
    try:
        with Image.open(path) as image:
            picture = _flatten(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders raise anything: IndexError for a broken QOI, RuntimeError for an AVIF
        raise ValueError(f"image must be a picture that can be read, got {path} ({error})") from error
    larger = picture.width >= width and picture.height >= height
    method = Image.Resampling.BOX if larger else Image.Resampling.NEAREST
    return np.array(ImageOps.fit(picture, (width, height), method))


def _flatten(image: Image.Image) -> Image.Image:
    """The picture in RGB: 16 bits become 8, what is transparent is black."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256, "L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
