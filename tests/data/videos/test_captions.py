"""Captions of files, of parts of a video, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from wm_gym.data.videos.captions import CaptionError, load_captioner, plain_caption, read_captions, shortened


def captions_of(folder: Path, text: str, suffix: str) -> Any:
    (folder / f"clip{suffix}").write_text(text, encoding="utf-8")
    return read_captions(folder / "clip.mp4")


@pytest.mark.parametrize(
    ("text", "suffix"),
    [("A cat\n jumps\n", ".txt"), ('"A cat jumps"', ".json"), ('{"caption": "A cat jumps", "id": 3}', ".json")],
)
def test_one_caption_is_of_the_whole_video(tmp_path: Path, text: str, suffix: str) -> None:
    assert captions_of(tmp_path, text, suffix).between(100.0, 101.0) == "A cat jumps"


@pytest.mark.parametrize("wrap", [lambda spans: spans, lambda spans: {"captions": spans}])
def test_a_list_captions_parts(tmp_path: Path, wrap: Any) -> None:
    spans = [{"start": 0, "end": 2, "caption": "first"}, {"start": 2.0, "end": 4, "caption": "second"}]
    captions = captions_of(tmp_path, json.dumps(wrap(spans)), ".json")
    seconds = [(0.0, 1.0), (1.4, 2.4), (1.6, 2.6), (3.5, 4.5), (4.0, 5.0)]
    assert [captions.between(*each) for each in seconds] == ["first", "first", "second", "second", None]


def test_no_file_is_no_caption(tmp_path: Path) -> None:
    assert read_captions(tmp_path / "clip.mp4").between(0.0, 1.0) is None


@pytest.mark.parametrize(
    ("text", "suffix", "got"),
    [
        ("", ".txt", "an empty caption"),
        ("猫", ".txt", "the character '猫'"),
        ("{", ".json", "Expecting"),
        ("3", ".json", "got 3"),
        ("[]", ".json", r"got \[\]"),
        ('{"text": "x"}', ".json", "no 'caption'"),
        ('[{"start": 2, "end": 1, "caption": "x"}]', ".json", "a span from 2.0 to 1.0 s"),
        ('[{"start": 0, "caption": "x"}]', ".json", "no 'end'"),
        ('[{"start": 0, "end": 1, "caption": null}]', ".json", "None, which is no text"),
        ('[{"start": 0, "end": 1, "caption": 5}]', ".json", "5, which is no text"),
    ],
)
def test_what_is_no_caption_is_refused_by_file(tmp_path: Path, text: str, suffix: str, got: str) -> None:
    with pytest.raises(CaptionError, match=f"clip{suffix} must be a caption, .*{got}.*clip.mp4 is skipped"):
        captions_of(tmp_path, text, suffix)


def test_typographic_marks_become_plain() -> None:
    assert plain_caption("“It’s” here – there…") == '"It\'s" here - there...'


def test_long_captions_end_with_a_whole_sentence_or_word() -> None:
    assert shortened("Go. " + "word " * 100) == "Go."
    assert shortened("word " * 100) == ("word " * 51).strip()
    assert shortened("x" * 300) == "x" * 256
    assert shortened("x" * 256) == "x" * 256


@pytest.mark.parametrize("name", ["no_function", "nowhere_at_all:f", "json:nothing", "json:"])
def test_a_captioner_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"captioner must be .* got '{name}'"):
        load_captioner(name)
