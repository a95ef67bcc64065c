"""Pictures in and out: exact where they fit, refused where they are none or too large."""

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.serve.servers import pixels_of, png_of
from wm_gym.serve.pictures import MAX_PIXELS, MAX_SCANS, SCAN, gif, png, read_picture
from wm_gym.serve.problem import Problem


def encoded(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def huge_png(side: int) -> bytes:
    """A PNG that says that it is large."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    data = zlib.compress(b"")
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", len(data)) + b"IDAT" + data + b"\0\0\0\0"


def test_a_picture_of_the_right_size_stays_as_it_is() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(read_picture(png_of(frame), (24, 32)), frame)
    np.testing.assert_array_equal(pixels_of(png(frame)), frame)


def test_the_middle_of_a_wide_picture_is_taken() -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 200
    assert (read_picture(png_of(wide), (10, 10)) == 200).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_the_usual_formats_are_read(kind: str) -> None:
    frame = read_picture(encoded(Image.new("RGB", (40, 40), (10, 200, 30)), kind), (16, 16))
    assert np.abs(frame.astype(int) - (10, 200, 30)).max() < 8


def test_grey_deep_and_transparent_pictures_are_read() -> None:
    deep = Image.fromarray(np.full((8, 8), 0x8080, np.uint16))
    assert (read_picture(encoded(deep, "PNG"), (8, 8)) == 0x80).all()
    assert (read_picture(encoded(Image.new("RGBA", (8, 8), (255, 255, 255, 0)), "PNG"), (8, 8)) == 0).all()
    assert (read_picture(encoded(Image.new("L", (8, 8), 7), "PNG"), (8, 8)) == 7).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no picture",
        b"\x89PNG\r\n\x1a\n",
        png_of(np.ones((40, 40, 3), np.uint8))[:60],
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
    ],
    ids=["empty", "text", "head", "cut", "postscript"],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(Problem, match=f"image must be a picture .* got {len(data)} bytes") as caught:
        read_picture(data, (16, 16))
    assert caught.value.status == 422


@pytest.mark.parametrize("side", [int(MAX_PIXELS**0.5) + 1, 20_000, 2**31 - 1])
def test_a_small_file_of_a_huge_picture_is_refused(side: int) -> None:
    with pytest.raises(Problem, match="image must") as caught:
        read_picture(huge_png(side), (16, 16))
    assert caught.value.status == 422


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    """Each scan is a pass over all pixels: 250,000 of them fit a body of 8 MiB, and took 40 minutes."""
    buffer = io.BytesIO()
    Image.new("L", (1024, 1024), 128).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    scans, last = data.count(SCAN), data.rindex(SCAN)
    assert 1 < scans < MAX_SCANS / 2
    assert (read_picture(data[:-2] + data[last:-2] * (MAX_SCANS - scans) + data[-2:], (8, 8)) == 128).all()
    begun = time.process_time()
    with pytest.raises(Problem, match=f"image must have at most {MAX_SCANS} scans if it is a JPEG, got") as caught:
        read_picture(data[:-2] + data[last:-2] * 20_000 + data[-2:], (8, 8))
    assert caught.value.status == 422
    assert time.process_time() - begun < 1


def test_a_film_holds_its_frames() -> None:
    chunk = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (0, 100, 200)])
    film = Image.open(io.BytesIO(gif(chunk, 10.0)))
    assert (getattr(film, "n_frames", 1), film.info["duration"]) == (3, 100)
