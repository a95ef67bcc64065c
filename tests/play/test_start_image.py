"""Pictures become first frames; what is none is told."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wm_gym.play.start_image import read_start_image


def test_a_frame_of_the_right_size_is_taken_as_it_is(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    Image.fromarray(frame).save(tmp_path / "frame.png")
    np.testing.assert_array_equal(read_start_image(tmp_path / "frame.png", (6, 9)), frame)


def test_the_middle_of_a_wide_picture_is_taken(tmp_path: Path) -> None:
    picture = np.zeros((8, 24, 3), np.uint8)
    picture[:, 8:16] = (1, 2, 3)
    Image.fromarray(picture).save(tmp_path / "wide.png")
    assert (read_start_image(tmp_path / "wide.png", (4, 4)) == (1, 2, 3)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGBA", "CMYK"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    Image.new("RGB", (10, 10), (255, 255, 255)).convert(mode).save(path)
    assert read_start_image(path, (5, 5)).shape == (5, 5, 3)


def test_a_broken_picture_is_told(tmp_path: Path) -> None:
    whole = tmp_path / "whole.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    (tmp_path / "cut.png").write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.qoi").write_bytes(b"qoif" + bytes([0, 0, 0, 8, 0, 0, 0, 8, 3, 0, 254, 1]))
    for name in ("cut.png", "cut.qoi", "text.png", "missing.png", "."):
        with pytest.raises(ValueError, match="image must be a picture that can be read, got .*"):
            read_start_image(tmp_path / name, (8, 8))


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 100 * 256, np.uint16)).save(tmp_path / "deep.png")
    assert (read_start_image(tmp_path / "deep.png", (4, 4)) == 100).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_black(tmp_path: Path, mode: str) -> None:
    Image.new("RGBA", (4, 4), (255, 255, 255, 0)).convert(mode).save(tmp_path / "clear.png")
    assert (read_start_image(tmp_path / "clear.png", (4, 4)) == 0).all()


def test_a_format_that_cannot_be_decoded_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "whole.dds")
    data = bytearray((tmp_path / "whole.dds").read_bytes())
    data[80:84] = bytes(4)  # the flags that say how its pixels are written
    (tmp_path / "strange.dds").write_bytes(data)
    with pytest.raises(ValueError, match="image must be a picture that can be read, got .*strange.dds"):
        read_start_image(tmp_path / "strange.dds", (4, 4))


def test_a_picture_may_come_as_bytes() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(frame).save(file, format="PNG")
    np.testing.assert_array_equal(read_start_image(file, (6, 9)), frame)
