"""Videos are read whole, at the wanted size, and what does not read is named with its second."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.videos.drawings import FPS, SIZE, moving, write
from wm_gym.data.videos.reading import VideoError, read_facts, read_frames


@pytest.mark.parametrize("name", ["clip.mp4", "clip.gif"])
def test_every_frame_comes_with_its_second(tmp_path: Path, name: str) -> None:
    drawn = moving(1, 12)
    frames = list(read_frames(write(tmp_path / name, drawn), SIZE))
    assert [frame.time for frame in frames] == pytest.approx([number / FPS for number in range(12)], abs=0.011)
    errors = [np.abs(frame.picture.astype(int) - picture).mean() for frame, picture in zip(frames, drawn, strict=True)]
    assert max(errors) < (20 if name.endswith("gif") else 4)  # a GIF here has 256 fixed colours


def test_facts_are_the_headers(tmp_path: Path) -> None:
    facts = read_facts(write(tmp_path / "clip.mp4", moving(1, 5), fps=12))
    assert (facts.frame_size, facts.fps) == (SIZE, 12.0)


def test_another_shape_is_cropped_around_the_centre(tmp_path: Path) -> None:
    picture = np.zeros((*SIZE, 3), np.uint8)
    picture[:, 8:-8] = 200  # what is left of 48x64 pixels as a square
    frame = next(read_frames(write(tmp_path / "clip.mp4", [picture] * 3), (24, 24)))
    assert frame.picture.shape == (24, 24, 3)
    assert frame.picture.min() > 180


def test_a_cut_file_gives_its_first_frames_and_names_the_second(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", moving(1, 40))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    frames = []
    with pytest.raises(VideoError, match=r"clip.mp4 at [1-3]\.\d\d s must be a readable video.*get it again") as error:
        for frame in read_frames(path, SIZE):
            frames.append(frame)
    assert 10 < len(frames) < 40
    assert f"at {frames[-1].time:.2f} s" in str(error.value)


def test_damage_in_the_middle_is_an_error_and_no_grey_picture(tmp_path: Path) -> None:
    path = write(tmp_path / "clip.mp4", moving(1, 40))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(VideoError, match=r"clip.mp4 at \d\.\d\d s must be a readable video"):
        list(read_frames(path, SIZE))


@pytest.mark.parametrize("data", [b"", b"no video at all"])
def test_what_is_no_video_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(data)
    for read in (lambda path: list(read_frames(path, SIZE)), read_facts):
        with pytest.raises(VideoError, match=r"clip.mp4 at 0.00 s must be a readable video, got .*get it again"):
            read(tmp_path / "clip.mp4")
