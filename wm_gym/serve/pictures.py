"""Pictures as they come and go over HTTP."""

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from wm_gym.serve.problem import Problem

Frame = UInt8[np.ndarray, "height width 3"]
Chunk = UInt8[np.ndarray, "time height width 3"]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MAX_PIXELS = 2**24  # of an uploaded picture
SCAN = b"\xff\xda"  # begins a scan of a JPEG: each is a pass over every pixel, for a few bytes
MAX_SCANS = 64  # progressive files have about ten


def read_picture(data: bytes, frame_size: tuple[int, int]) -> Frame:
    """Read an uploaded picture, cut its middle to the shape of a frame and resize it; one of that size stays as it is.

    Args:
        data: the file.
        frame_size: (height, width) in pixels.

    Raises:
        Problem: 422, it is no picture, a broken one, or has too many pixels or scans.
    """
    height, width = frame_size
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        _check_work(image, data, frame_size)
        picture = _flatten(ImageOps.exif_transpose(image))
    except Problem:
        raise
    except Exception as error:  # whatever Pillow says to a broken picture
        rule = f"image must be a picture ({', '.join(FORMATS)}) that can be read"
        raise Problem(422, "malformed", f"{rule}, got {len(data)} bytes ({type(error).__name__})") from error
    larger = picture.width >= width and picture.height >= height
    return np.array(
        ImageOps.fit(picture, (width, height), Image.Resampling.BOX if larger else Image.Resampling.NEAREST)
    )


def _check_work(image: Image.Image, data: bytes, frame_size: tuple[int, int]) -> None:
    """Check that a picture is soon decoded.

    Raises:
        Problem: 422, it is not.
    """
    if image.width * image.height > MAX_PIXELS:
        raise Problem(
            422,
            "malformed",
            f"image must have at most {MAX_PIXELS} pixels, got {image.width}x{image.height}; "
            f"the world's frames are {frame_size[1]}x{frame_size[0]}",
        )
    scans = data.count(SCAN) if data.startswith(b"\xff\xd8") else 0
    if scans > MAX_SCANS:
        rule = f"image must have at most {MAX_SCANS} scans if it is a JPEG"
        raise Problem(422, "malformed", f"{rule}, got {scans}; save it again, as baseline JPEG or PNG")


def png(frame: Frame) -> bytes:
    """A frame, exact."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "PNG")
    return buffer.getvalue()


def gif(chunk: Chunk, frames_per_second: float) -> bytes:
    """Frames as a film, in at most 256 colours each."""
    first, *rest = [Image.fromarray(frame) for frame in chunk]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=1000 / frames_per_second, loop=0)
    return buffer.getvalue()


def _flatten(image: Image.Image) -> Image.Image:
    """The picture in RGB: 16 bits become 8, what is transparent is black."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value / 256, "L")
    if not image.has_transparency_data:
        return image.convert("RGB")
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(black, image.convert("RGBA")).convert("RGB")
