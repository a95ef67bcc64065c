"""Cuts are found, motion and flashes are none; clips are whole chunks of one shot at one rate."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.videos.drawings import FPS, SIZE, moving, noise, panning, still, write
from wm_gym.data.videos.clips import Clip, split
from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.flaws import camera_share, find_flaw
from wm_gym.data.videos.reading import read_frames
from wm_gym.data.videos.shots import with_cuts

CONFIG = VideoConfig(chunk_frames=4)


def cuts(folder: Path, frames: list[np.ndarray]) -> list[float]:
    path = write(folder / "clip.mp4", frames)
    return [frame.time for frame, begins in with_cuts(read_frames(path, SIZE), CONFIG) if begins]


def clips(folder: Path, frames: list[np.ndarray], config: VideoConfig = CONFIG, fps: float = float(FPS)) -> list[Clip]:
    return list(split(read_frames(write(folder / "clip.mp4", frames), SIZE), fps, config))


def test_cuts_are_where_the_scene_changes(tmp_path: Path) -> None:
    assert cuts(tmp_path, moving(1, 20) + moving(2, 13) + still(3, 9)) == [2.0, 3.3]


def test_fast_motion_is_no_cut(tmp_path: Path) -> None:
    assert cuts(tmp_path, moving(1, 30, step=11)) == []


def test_a_flash_is_no_cut(tmp_path: Path) -> None:
    scene = moving(1, 20)
    scene[9] = np.clip(scene[9].astype(int) + 90, 0, 255).astype(np.uint8)
    assert cuts(tmp_path, scene) == []


def test_frames_of_one_colour_end_a_shot_and_are_left_out(tmp_path: Path) -> None:
    black = [np.zeros((*SIZE, 3), np.uint8)] * 5
    found = clips(tmp_path, [*black, *moving(1, 12), *black, *moving(1, 8), *black])
    assert [(round(clip.start, 2), len(clip.pictures)) for clip in found] == [(0.5, 12), (2.2, 8)]
    assert min(clip.pictures.std(axis=(1, 2)).min() for clip in found) > 5


def test_clips_are_whole_chunks_of_one_scene(tmp_path: Path) -> None:
    drawn = moving(1, 19) + moving(2, 14)
    found = clips(tmp_path, drawn)
    assert [(clip.start, len(clip.pictures)) for clip in found] == [(0.0, 16), (1.9, 12)]
    for clip in found:
        first = round(clip.start * FPS)
        error = np.abs(clip.pictures.astype(int) - np.stack(drawn[first : first + len(clip.pictures)])).mean()
        assert error < 4


def test_long_shots_go_on_with_their_last_chunk(tmp_path: Path) -> None:
    found = clips(tmp_path, moving(1, 40), replace(CONFIG, max_chunks=4))
    assert [(round(clip.start, 2), len(clip.pictures)) for clip in found] == [(0.0, 16), (1.2, 16), (2.4, 16)]
    assert np.array_equal(found[0].pictures[-4:], found[1].pictures[:4])


def test_nothing_is_left_of_a_shot_that_ends_with_a_clip(tmp_path: Path) -> None:
    assert len(clips(tmp_path, moving(1, 16), replace(CONFIG, max_chunks=4))) == 1


@pytest.mark.parametrize(("fps", "count"), [(5.0, 20), (10.0, 40), (20.0, 76)])
def test_clips_have_the_wanted_rate(tmp_path: Path, fps: float, count: int) -> None:
    (clip,) = clips(tmp_path, moving(1, 40), fps=fps)
    assert len(clip.pictures) == count
    repeats = (np.abs(np.diff(clip.pictures.astype(int), axis=0)).max(axis=(1, 2, 3)) == 0).mean()
    assert repeats == pytest.approx(0.5 if fps == 20 else 0, abs=0.02)


def test_short_clips_are_given_to_be_counted(tmp_path: Path) -> None:
    assert [len(clip.pictures) for clip in clips(tmp_path, moving(1, 7))] == [7]


@pytest.mark.parametrize(
    ("frames", "flaw"),
    [(moving(1, 24), None), (still(1, 24), "static"), (noise(24), "restless"), (panning(1, 24), "trivial")],
)
def test_flaws_are_named_unless_they_are_to_be_kept(tmp_path: Path, frames: list[np.ndarray], flaw: str | None) -> None:
    config = replace(CONFIG, cut_difference=255.0)
    (clip,) = clips(tmp_path, frames, config)
    assert find_flaw(clip.thumbnails, config) == flaw
    assert find_flaw(clip.thumbnails, replace(config, keep=("static", "restless", "trivial"))) is None


def test_a_thing_that_moves_under_a_moving_camera_is_not_trivial(tmp_path: Path) -> None:
    frames = [picture.copy() for picture in panning(1, 24)]
    for number, picture in enumerate(frames):
        picture[18:34, 50 - 2 * number :][:, :16] = 255
    (plain,) = clips(tmp_path, panning(1, 24))
    (acting,) = clips(tmp_path, frames)
    assert camera_share(plain.thumbnails) > CONFIG.trivial_share > camera_share(acting.thumbnails)
