"""The server over a real WebSocket: play, strangers, lost pages, limits, and recordings that are saved."""

import socket
import time
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.endless_worlds import set_termination_logit
from tests.play.browser.pages import Served, serving, wait_until
from tests.worlds import Slide
from wm_gym.data.dataset import Dataset
from wm_gym.env import WorldModelEnv
from wm_gym.play.browser.config import BrowserConfig

TEXTS = ["go left", "wait", "go down", "", "any text at all"]


def close_of(connection: ClientConnection) -> tuple[int, str]:
    """How the server closes: code and reason."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            connection.recv(10)
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_a_page_plays_what_the_env_would_show(served: Served, checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=str(checkpoint))
    page = served.enter()
    facts = page.welcome()
    assert (facts["world"], facts["keys"], facts["height"]) == (env.world, env.key_map, page.panels[0].shape[1])
    np.testing.assert_array_equal(page.panels[0], env.reset(seed=0)[0])
    for number, text in enumerate(TEXTS, start=1):
        observation, reward, *_ = env.step(text)
        head = page.act(text)
        np.testing.assert_array_equal(page.panels[0], observation)
        assert (head["step"], head["panels"][0]["reward"]) == (number, pytest.approx(reward))


def test_undo_redo_bookmarks_and_resets_reach_the_session(served: Served) -> None:
    page = served.enter()
    page.welcome()
    page.act("go left")
    assert page.ask("bookmark", slot=3)["bookmarks"] == [3]
    there = page.panels[0].copy()
    page.act("go down")
    assert page.ask("undo", count=2)["undone"] == 2
    assert page.ask("redo")["step"] == 1
    np.testing.assert_array_equal(page.panels[0], there)
    assert page.ask("reset", seed=7)["seed"] == "7"
    assert page.ask("branch", slot=3)["step"] == 1
    np.testing.assert_array_equal(page.panels[0], there)
    assert page.ask("branch", slot=4)["failed"]


def test_pages_play_sessions_of_their_own(served: Served) -> None:
    first, second = served.enter(), served.enter()
    for page in (first, second):
        page.welcome()
    first.act("go left")
    mine = first.panels[0].copy()
    for text in ("go down", "go down", "go down"):
        second.act(text)
    assert first.act("wait")["step"] == 2
    first.ask("undo")
    np.testing.assert_array_equal(first.panels[0], mine)


def test_an_episode_starts_at_the_frame_that_a_page_sends(served: Served) -> None:
    page = served.enter()
    facts = page.welcome()
    frame = np.arange(facts["height"] * facts["width"] * 3, dtype=np.uint64).astype(np.uint8)
    page.socket.send(frame.tobytes())
    page.look()
    np.testing.assert_array_equal(page.panels[0][0].ravel(), frame)
    page.socket.send(b"123")
    assert "a frame must have" in page.complain()


BAD = [
    *("", "{", "[]", "[" * 3000, "1" * 4000, "x" * 5000),
    *('{"do": "fly"}', '{"do": "act", "text": 3}', '{"do": "branch"}', '{"do": "branch", "slot": true}'),
    *('{"do": "act", "numbers": 3}', '{"do": "act", "numbers": ["1"]}', '{"do": "act", "numbers": [true]}'),
    *('{"do": "undo", "count": 0}', '{"do": "reset", "seed": -1}', '{"do": "seen", "number": 99}'),
    '{"do": "start", "value": "/etc/passwd"}',
]


def test_each_malformed_message_gets_one_error_and_play_goes_on(served: Served) -> None:
    page = served.enter()
    page.welcome()
    for message in BAD:
        page.socket.send(message)
        assert "must" in page.complain()
    assert page.act("go left")["step"] == 1


def test_a_text_that_the_world_does_not_take_is_told(served: Served) -> None:
    page = served.enter()
    page.welcome()
    for text in ("x" * 257, "\ud800", "tab\x00"):
        head = page.act(text)
        assert (head["failed"], head["step"]) == (True, 0)
    assert not page.act("go left")["failed"]


@pytest.mark.parametrize("message", ["hello", '{"do": "act"}', b"\x00"])
def test_who_does_not_say_hello_is_sent_away(served: Served, message: str | bytes) -> None:
    connection = served.connect()
    connection.send(message)
    assert close_of(connection)[0] == 4400
    assert served.server.players == {}


def test_too_long_a_message_ends_the_connection_not_the_session(served: Served) -> None:
    page = served.enter()
    name = page.welcome()["session"]
    page.act("go left")
    page.socket.send("x" * 100_000)
    assert close_of(page.socket)[0] == 1009
    again = served.enter(resume=name)
    again.welcome()
    assert again.head["step"] == 1


def test_a_lost_page_gets_its_session_back(served: Served) -> None:
    page = served.enter()
    name = page.welcome()["session"]
    page.act("go left")
    there = page.panels[0].copy()
    page.socket.socket.close()  # no goodbye
    again = served.enter(resume=name)
    assert again.welcome()["session"] == name
    assert (again.head["step"], again.head["message"]) == (1, "here you are again")
    np.testing.assert_array_equal(again.panels[0], there)
    assert again.act("wait")["step"] == 2


def test_the_later_page_of_a_session_takes_it_over(served: Served) -> None:
    page = served.enter()
    name = page.welcome()["session"]
    again = served.enter(resume=name)
    again.welcome()
    assert close_of(page.socket)[0] == 4409
    assert again.act("wait")["step"] == 1
    assert len(served.server.players) == 1


def test_a_session_that_is_gone_is_told_to_be_new(served: Served) -> None:
    page = served.enter(resume="nobody")
    page.welcome()
    assert "this is a new one" in page.head["message"]


def test_lost_sessions_end_after_their_time_and_are_saved(checkpoint: Path, tmp_path: Path) -> None:
    browser = BrowserConfig(port=0, resume_seconds=0.3)
    with serving(checkpoint, browser, episodes=tmp_path) as served:
        page = served.enter()
        page.welcome()
        page.act("go left")
        page.leave()
        wait_until(lambda: not served.server.players)
        wait_until(lambda: (tmp_path / "dream" / "episodes" / "000000.npz").exists())


def test_what_every_page_played_is_saved_in_one_dataset(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, episodes=tmp_path) as served:
        for text in ("go left", "go down", "wait"):
            page = served.enter()
            page.welcome()
            page.act(text)
            if text == "wait":
                page.say(do="leave")
                assert close_of(page.socket) == (4410, "you have left")
    episodes = list(Dataset.open(tmp_path / "dream"))
    assert sorted(episode.actions for episode in episodes) == [("go down",), ("go left",), ("wait",)]


def test_sessions_that_nobody_plays_end(checkpoint: Path) -> None:
    with serving(checkpoint, BrowserConfig(port=0, idle_seconds=0.3)) as served:
        page = served.enter()
        page.welcome()
        assert close_of(page.socket)[0] == 4408
        assert served.server.players == {}


def test_no_more_than_so_many_play_and_the_lost_make_room(checkpoint: Path) -> None:
    with serving(checkpoint, BrowserConfig(port=0, max_players=2)) as served:
        pages = [served.enter(), served.enter()]
        for page in pages:
            page.welcome()
        assert close_of(served.enter().socket) == (4429, "2 play here already: come back when one has left")
        pages[0].leave()
        served.enter().welcome()
        assert pages[1].act("wait")["step"] == 1


def test_the_latest_input_wins_and_no_backlog_grows(served: Served) -> None:
    page = served.enter()
    page.welcome()
    (player,) = served.server.players.values()
    deepest = 0
    for number in range(1, 301):
        page.say(do="act", text="go left", number=number)
        deepest = max(deepest, player.num_waiting)
    while not (page.look()["heard"] == 300 and page.head["idle"]):
        pass
    assert deepest <= 2
    assert page.head["step"] < 300


def test_a_page_that_sees_nothing_is_sent_two_scenes_and_then_the_latest(served: Served) -> None:
    page = served.enter()
    assert "welcome" in page.hear()
    (player,) = served.server.players.values()
    for step in range(1, 21):
        page.say(do="act", text="wait", number=step)
        wait_until(lambda step=step: player.scene.step == step)  # type: ignore[misc]
    assert player.feed is not None
    wait_until(lambda: player.feed is not None and player.feed.num_dropped == 18)
    assert [page.look()["step"] for _ in range(3)] == [0, 1, 20]


def test_a_world_that_ends_says_so(tmp_path: Path, checkpoint: Path) -> None:
    with serving(checkpoint) as served:
        model = served.server._sessions.env.model
        weights = model.heads.readout.weight.clone()
        set_termination_logit(model, 9.0)
        try:
            page = served.enter()
            page.welcome()
            assert page.act("wait")["over"]
            assert page.act("wait")["failed"]
            assert not page.ask("undo")["over"]
        finally:
            model.heads.readout.weight.data = weights


def test_bad_options_are_told_before_anybody_comes(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="image must be a picture"), serving(checkpoint, image=tmp_path / "none.png"):
        pass
    with pytest.raises(ValueError, match="a film must end in"), serving(checkpoint, record=tmp_path / "a.avi"):
        pass
    with (
        pytest.raises(ValueError, match="script must have a number after 'undo'"),
        serving(checkpoint, script="undo it"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told(served: Served, checkpoint: Path) -> None:
    port = int(served.host.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"), serving(checkpoint, BrowserConfig(port=port)):
        pass


def test_the_server_ends_while_pages_play(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, episodes=tmp_path) as served:
        page = served.enter()
        page.welcome()
        for number in range(5):
            page.say(do="act", text="go left", number=number)
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert len(Dataset.open(tmp_path / "dream")) == 1


def test_connections_that_say_nothing_do_not_hold_up_the_end(checkpoint: Path) -> None:
    with serving(checkpoint) as served:
        name, _, port = served.host.partition(":")
        silent = socket.create_connection((name, int(port)))  # browsers open some ahead of their use
        page = served.enter()
        page.welcome()
        started = time.monotonic()
    silent.close()
    assert time.monotonic() - started < 5


def test_a_session_that_breaks_ends_alone(served: Served) -> None:
    page, other = served.enter(), served.enter()
    name = page.welcome()["session"]
    other.welcome()
    served.server.players[name]._session.stage.tracks[0]._world = None  # a bug, as the server sees it
    page.say(do="act", text="go left", number=1)
    code, reason = close_of(page.socket)
    assert (code, reason[:18]) == (4500, "the session broke:")
    assert other.act("go left")["step"] == 1
    assert any("a session broke" in line for line in served.said)


def test_numbers_reach_the_world(general_checkpoint: Path) -> None:
    with serving(general_checkpoint, world="steer") as served:
        page = served.enter()
        facts = page.welcome()
        assert (facts["low"], facts["high"], facts["pad"]["axes"]) == ([-1, 0], [1, 1], ["left x", "right trigger"])
        assert page.ask("act", numbers=[0.5, 1])["action"] == "+0.50 +1.00"
        for numbers in ([0.5], [0.5, 2], [], [1e999, 0]):
            head = page.ask("act", numbers=numbers)
            assert (head["failed"], head["step"]) == (True, 1)
            assert "action must be 2 numbers from" in head["message"]


def test_a_world_of_texts_takes_no_numbers(served: Served) -> None:
    page = served.enter()
    assert page.welcome()["low"] == []
    assert "this world takes no numbers" in page.ask("act", numbers=[1])["message"]


def test_a_script_is_what_drives_until_it_is_over(checkpoint: Path) -> None:
    with serving(checkpoint, script="go left,wait * 2,undo,branch 9,go down") as served:
        page = served.enter()
        facts = page.welcome()
        assert (facts["pilot"], facts["drives"]) == ("the script", True)
        heads = [page.ask("drive") for _ in range(4)]
        assert [(head["step"], head["driver"]) for head in heads] == [(n, "the script") for n in (1, 2, 3, 2)]
        assert page.act("wait")["step"] == 3  # a hand may act in between
        assert page.ask("drive")["message"].startswith("bookmark 9 is empty")
        assert page.ask("drive")["action"] == "go down"
        assert page.ask("drive")["message"] == "the script is over"
        assert "a policy must be named" in page.ask("drive")["message"]


def test_every_session_is_filmed_into_a_file_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, record=tmp_path / "a.gif") as served:
        for texts in (("go left", "wait"), ("go down",)):
            page = served.enter()
            page.welcome()
            for text in texts:
                page.act(text)
            page.say(do="leave")
            assert close_of(page.socket) == (4410, "you have left")
        sessions = served.server._sessions
    assert sessions.files == (str(tmp_path / "a.gif"), str(tmp_path / "a-2.gif"))
    assert [len(imageio.imread(path, index=None)) for path in sessions.files] == [3, 2]


def test_a_film_that_fills_the_disk_ends_and_play_goes_on(checkpoint: Path, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serving(checkpoint, record=tmp_path / "a.gif") as served:
        page = served.enter()
        page.welcome()
        resource.setrlimit(resource.RLIMIT_FSIZE, ((tmp_path / "a.gif").stat().st_size + 10, before[1]))
        try:
            page.say(do="act", text="go left", number=1)
            while "ends here" not in page.look()["message"]:
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert page.head["failed"]
        assert page.act("wait")["step"] == 2
    assert len(imageio.imread(tmp_path / "a.gif", index=None)) == 1


def test_twins_are_closed_with_their_sessions_also_that_of_nobody(checkpoint: Path) -> None:
    closed: list[str] = []

    class Twin(Slide):
        """A simulator that must be closed."""

        def close(self) -> None:
            closed.append("twin")

    def make(**options: Any) -> Twin:
        return Twin()

    gym.register("play/Twin-v0", entry_point=make)
    try:
        for visitors, count in ((1, 1), (0, 2)):
            with serving(checkpoint, view="both", twin="play/Twin-v0") as served:
                for _ in range(visitors):
                    served.enter().welcome()
            assert closed == ["twin"] * count
    finally:
        del gym.registry["play/Twin-v0"]
