"""The growing GIF reads back as what was written, also when nobody finished it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image, ImageSequence

from wm_gym.play.gif import GifWriter


def pictures(count: int) -> list[UInt8[np.ndarray, "height width channel"]]:
    """A block that moves over coloured ground, and stands still once."""
    ground = np.random.default_rng(0).integers(0, 4, (21, 34, 3), dtype=np.uint8) * 80
    shots = [ground.copy() for _ in range(count)]
    for index, shot in enumerate(shots):
        shot[3:9, 2 * index : 2 * index + 5] = (255, 10 * index, 0)
    return [*shots, shots[-1]]


def read(path: Path) -> list[UInt8[np.ndarray, "height width channel"]]:
    with Image.open(path) as image:
        return [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]


@pytest.mark.parametrize("finished", [True, False])
def test_pictures_come_back(tmp_path: Path, finished: bool) -> None:
    writer = GifWriter(tmp_path / "a.gif", 10.0)
    shots = pictures(12)
    for shot in shots:
        writer.add(shot)
    if finished:
        writer.close()
    else:
        writer._file.flush()
    found = read(tmp_path / "a.gif")
    writer.close()
    assert len(found) == 13
    for shot, back in zip(shots, found, strict=True):
        np.testing.assert_array_equal(back, shot)


def test_the_pace_is_kept_in_hundredths(tmp_path: Path) -> None:
    writer = GifWriter(tmp_path / "a.gif", 8.0)
    for shot in pictures(3):
        writer.add(shot)
    writer.close()
    with Image.open(tmp_path / "a.gif") as image:
        assert [frame.info["duration"] for frame in ImageSequence.Iterator(image)] == [120] * 4
        assert image.info["loop"] == 0


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    writer = GifWriter(path, 10.0)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    writer.add(noise)
    writer._file.flush()
    size = path.stat().st_size
    for _ in range(10):
        writer.add(noise.copy())
    writer.close()
    assert path.stat().st_size < size + 10 * 64


def test_many_colours_stay_close(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    shot = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], np.uint8(128)), axis=-1)
    writer = GifWriter(tmp_path / "a.gif", 10.0)
    writer.add(np.ascontiguousarray(shot))
    writer.close()
    assert np.abs(read(tmp_path / "a.gif")[0].astype(int) - shot).max() <= 16


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit for files")
def test_on_a_full_disk_the_film_ends_whole(tmp_path: Path) -> None:
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from wm_gym.play.gif import GifWriter
noise = np.random.default_rng(0).integers(0, 256, (5, 30, 30, 3), dtype=np.uint8)
writer = GifWriter(Path(sys.argv[1]), 10.0)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
try:
    for picture in noise:
        writer.add(picture)
except OSError:
    writer.close()
    print("told")
"""
    path = tmp_path / "a.gif"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("told\n", "")
    assert 1 <= len(read(path)) < 5
    assert path.read_bytes()[-1:] == b"\x3b"
