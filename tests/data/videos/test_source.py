"""`wm-gym data import videos:FOLDER`: what it keeps, what it says of the rest, and that a stop loses nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from jaxtyping import UInt8

from tests.data.videos.drawings import SIZE, moving, panning, still, write
from wm_gym.cli import main
from wm_gym.data.dataset import Dataset
from wm_gym.data.formats.source import ImportConfig, import_episodes
from wm_gym.data.videos.config import VideoConfig
from wm_gym.data.videos.source import SHORTENED, VideoSource

CONFIG = VideoConfig(chunk_frames=4)


def counting_captioner(frames: UInt8[np.ndarray, "time height width 3"], fps: float, caption: str) -> str:
    """Says what it was given."""
    return f"{len(frames)} frames at {fps:g}, {caption or 'no caption'}"


def broken_captioner(frames: UInt8[np.ndarray, "time height width 3"], fps: float, caption: str) -> str:
    """Says nothing about the second video."""
    return "" if caption == "second" else "fine"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes in one file, a GIF in a subfolder, one of each flaw, and files that do not read."""
    folder = tmp_path_factory.mktemp("videos") / "films"
    write(folder / "a.mp4", moving(1, 20) + moving(2, 16) + moving(3, 5))
    spans = [{"start": 0, "end": 1, "caption": "it starts"}, {"start": 1, "end": 9, "caption": "it goes on"}]
    (folder / "a.json").write_text(json.dumps({"captions": spans}))
    write(folder / "more" / "b.gif", moving(4, 12))
    (folder / "more" / "b.txt").write_text("a square runs")
    for name, frames in (("c", still(5, 12)), ("d", panning(6, 24)), ("e", moving(7, 12))):
        write(folder / f"{name}.mp4", frames)
    for name in "cd":
        (folder / f"{name}.txt").write_text("nothing")
    cut = write(folder / "f.mp4", moving(8, 40))
    cut.write_bytes(cut.read_bytes()[: int(0.7 * cut.stat().st_size)])
    (folder / "f.txt").write_text("cut")
    (folder / "g.mp4").write_bytes(b"no video")
    write(folder / "h.mp4", moving(9, 8))
    (folder / "h.json").write_text("{}")
    return folder


def run(folder: Path, output: Path, videos: VideoConfig = CONFIG, **config: object) -> tuple[Dataset, VideoSource]:
    source = VideoSource(str(folder), ImportConfig(**config), videos)  # type: ignore[arg-type]
    return import_episodes(source, output, progress=False).dataset, source


def test_clips_become_episodes_with_the_captions_of_their_chunks(folder: Path, tmp_path: Path) -> None:
    dataset, _ = run(folder, tmp_path)
    episodes = list(dataset)
    files = [(episode.info["file"], episode.info["start_seconds"]) for episode in episodes]
    assert files[:2] == [("a.mp4", "0.000"), ("a.mp4", "2.000")]
    assert files[2:] == [("f.mp4", "0.000"), ("more/b.gif", "0.000")]
    assert episodes[0].actions == ("it starts", "it goes on", "it goes on", "it goes on")
    assert episodes[3].actions == ("a square runs",) * 2
    assert episodes[0].observations.shape == (5, 4, *SIZE, 3)
    assert [episode.truncated[-1] for episode in episodes] == [True] * 4
    assert (dataset.manifest.world, dataset.manifest.render_fps) == ("films", 10)


def test_every_clip_and_file_that_is_left_out_is_told(folder: Path, tmp_path: Path) -> None:
    _, source = run(folder, tmp_path)
    assert dict(source.dropped) == {"short": 1, "static": 1, "trivial": 1, "silent": 1}
    told = source.report()
    assert told[0] == "4 clips kept of 8 videos"
    for name, text in (("f.mp4 at 2", "the rest"), ("g.mp4 at 0.00 s", "get it again"), ("h.json", "repair the file")):
        assert any(name in line and text in line for line in told), name


def test_a_stopped_import_goes_on_with_the_same_clips(folder: Path, tmp_path: Path) -> None:
    whole, _ = run(folder, tmp_path / "whole")
    source = VideoSource(str(folder), ImportConfig(), CONFIG)
    import_episodes(source, tmp_path / "parts", max_episodes=2, progress=False)
    resumed, source = run(folder, tmp_path / "parts")
    assert list(resumed) == list(whole)
    assert source.report()[0] == "4 clips kept of 8 videos"


def test_a_captioner_gets_the_frame_before_the_chunk_too(folder: Path, tmp_path: Path) -> None:
    config = VideoConfig(chunk_frames=4, captioner="tests.data.videos.test_source:counting_captioner")
    dataset, source = run(folder, tmp_path, config)
    texts = {episode.info["file"]: set(episode.actions) for episode in dataset}
    assert texts["more/b.gif"] == {"5 frames at 10, a square runs"}
    assert texts["e.mp4"] == {"5 frames at 10, no caption"}
    assert "silent" not in source.dropped


def test_a_captioner_that_fails_stops_with_the_place_and_keeps_the_rest(tmp_path: Path) -> None:
    for name, caption in (("a", "first"), ("b", "second")):
        write(tmp_path / "films" / f"{name}.mp4", moving(1, 12))
        (tmp_path / "films" / f"{name}.txt").write_text(caption)
    config = VideoConfig(chunk_frames=4, captioner="tests.data.videos.test_source:broken_captioner")
    with pytest.raises(ValueError, match=r"must return a text for .*b.mp4 at 0.40 s, got ''.*kept"):
        run(tmp_path / "films", tmp_path / "data", config)
    assert len(Dataset.open(tmp_path / "data")) == 1


def test_frames_take_the_wanted_size(folder: Path, tmp_path: Path) -> None:
    dataset, _ = run(folder, tmp_path, frame_size=(32, 32))
    assert dataset[0].observations.shape == (5, 4, 32, 32, 3)


def test_long_captions_are_shortened_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "films" / "a.mp4", moving(1, 12))
    (tmp_path / "films" / "a.txt").write_text("word " * 100)
    dataset, source = run(tmp_path / "films", tmp_path / "data")
    assert {len(text) for text in dataset[0].actions} == {254}
    assert source.notes == {SHORTENED: 1}


def test_other_files_are_another_import(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "films" / "a.mp4", moving(1, 12))
    (tmp_path / "films" / "a.txt").write_text("one")
    run(tmp_path / "films", tmp_path / "data")
    (tmp_path / "films" / "a.txt").write_text("another")
    with pytest.raises(ValueError, match="of the import that was stopped.*files is"):
        run(tmp_path / "films", tmp_path / "data")


def test_a_folder_of_dull_videos_says_why_nothing_is_kept(tmp_path: Path) -> None:
    write(tmp_path / "films" / "a.mp4", still(1, 12))
    (tmp_path / "films" / "a.txt").write_text("nothing")
    with pytest.raises(ValueError, match=r"must hold a clip to keep, got none: 1 clips dropped \(static\)"):
        run(tmp_path / "films", tmp_path / "data")


def test_a_folder_without_videos_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a folder with videos, got no file that ends in .avi"):
        VideoSource(str(tmp_path), ImportConfig())


def test_options_of_other_formats_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="observation_key must be left out for videos"):
        VideoSource(str(folder), ImportConfig(observation_key="x"))


@pytest.mark.parametrize("values", [{"chunk_frames": 0}, {"min_chunks": 1}, {"max_chunks": 1}, {"fps": 0.0}])
def test_numbers_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(values))} must be"):
        VideoConfig(**values)  # type: ignore[arg-type]


def test_the_command_imports_and_tells(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "data"
    arguments = [
        "data",
        "import",
        f"videos:{folder}",
        "--output",
        str(output),
        "--chunk-frames",
        "4",
        "--keep",
        "static",
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "5 episodes, 15 steps" in out
    assert "1 clips dropped (trivial)" in out and "static" not in out
    assert main(["data", "check", str(output)]) == 0
