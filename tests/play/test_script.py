"""Scripts: each word's request, and what is refused."""

import pytest

from tests.play.conftest import MakeSession
from wm_gym.play.request import ALL_STEPS, Request
from wm_gym.play.script import parse_script, run_script


@pytest.mark.parametrize(
    ("word", "requests"),
    [
        ("turn left", [Request("act", "turn left")]),
        ("", []),
        ("up,", [Request("act", "up")]),
        (",up", [Request("act", ""), Request("act", "up")]),
        ("move forward * 3", [Request("act", "move forward")] * 3),
        ("2 * 3", [Request("act", "2")] * 3),
        ("a * b", [Request("act", "a * b")]),
        ("a * ²", [Request("act", "a * ²")]),
        ("undo", [Request("undo")]),
        ("undo 20", [Request("undo", count=20)]),
        ("redo all", [Request("redo", count=ALL_STEPS)]),
        ("say undo", [Request("act", "undo")]),
        ("say", [Request("act", "say")]),
        ("bookmark 3", [Request("bookmark", 3)]),
        ("branch 3", [Request("branch", 3)]),
        ("reset", [Request("reset")]),
        ("reset 7", [Request("reset", 7)]),
        ("start", [Request("act", "start")]),
        ("start a.png", [Request("start", "a.png")]),
        ("drive 2", [Request("drive")] * 2),
        ("view", [Request("view")]),
        ("view both", [Request("view", "both")]),
        ("view the garden", [Request("act", "view the garden")]),
    ],
)
def test_a_word(word: str, requests: list[Request]) -> None:
    assert parse_script(word) == requests


@pytest.mark.parametrize("word", ["undo it", "bookmark", "branch one", "reset -1", "undo 0 times", "undo ²"])
def test_a_number_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match=f"script must have a number after '{word.split()[0]}', got '{word}'"):
        parse_script(word)


@pytest.mark.parametrize("word", ["a * 99999999999", "drive 99999999999"])
def test_a_word_that_repeats_for_ever_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="script must repeat a word at most 1000000 times, got"):
        parse_script(word)


def test_a_script_runs(make_session: MakeSession) -> None:
    session = make_session()
    scenes = list(run_script(session, parse_script("good,bad,undo,bookmark 1,good * 2,branch 1")))
    assert [scene.step for scene in scenes] == [1, 2, 1, 1, 2, 3, 1]


def test_a_script_stops_at_what_cannot_be_done(make_session: MakeSession) -> None:
    scenes = run_script(make_session(), parse_script("good,branch 4,bad"))
    next(scenes)
    with pytest.raises(ValueError, match="bookmark 4 is empty"):
        next(scenes)
