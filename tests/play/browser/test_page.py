"""The page in a headless Chromium: keys, touches, texts, undo, bookmarks, a lost connection, and the right pixels."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.play.browser.chromium import Tab, browsing, find_chromium
from tests.play.browser.pages import Served, serving

PROGRAM = find_chromium()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed; run: apt-get install chromium")


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browsing(str(PROGRAM)) as tab:
        yield tab
        assert tab.errors == []


@pytest.fixture
def minigrid(tab: Tab) -> Iterator[Served]:
    with playing(tab, None, world="minigrid") as served:
        yield served


def at_step(tab: Tab, step: int) -> None:
    tab.wait_for(f"state.scene.step === {step} && answered()")


def canvas(tab: Tab, served: Served) -> None:
    """The canvas shows the player's frame, every pixel a square."""
    (player,) = served.server.players.values()
    frame = player.scene.panels[0].chunk[-1]
    data = tab.find(
        "(() => { const c = document.querySelector('canvas');"
        " return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); })()"
    )
    shown = np.array(data, np.uint8).reshape(*frame.shape[:2], 4)
    np.testing.assert_array_equal(shown[..., :3], frame)


def test_keys_act_undo_and_branch(minigrid: Served, tab: Tab) -> None:
    tab.press("ArrowLeft")
    at_step(tab, 1)
    assert tab.find("document.getElementById('action').textContent") == "turn left"
    canvas(tab, minigrid)
    tab.press("!", "Digit1", modifiers=8)
    tab.wait_for("state.scene.bookmarks.length === 1")
    tab.press("ArrowUp")
    at_step(tab, 2)
    tab.press("Backspace")
    at_step(tab, 1)
    tab.press("Backspace", modifiers=8)
    at_step(tab, 2)
    tab.press("1", "Digit1")
    at_step(tab, 1)
    canvas(tab, minigrid)


def test_a_key_that_is_held_goes_on_until_it_is_let_up(minigrid: Served, tab: Tab) -> None:
    tab.press("ArrowLeft", up=False)
    tab.wait_for("state.scene.step >= 3")
    tab.do("Input.dispatchKeyEvent", type="keyUp", key="ArrowLeft", code="ArrowLeft")
    tab.wait_for("answered() && state.held.size === 0")
    step = tab.know("state.scene.step")
    tab.find("new Promise((done) => setTimeout(done, 500))")
    assert tab.know("state.scene.step") == step


def test_texts_are_typed_and_said(minigrid: Served, tab: Tab) -> None:
    tab.press("Enter")
    tab.do("Input.insertText", text="please turn to the left")
    tab.press("Enter")
    at_step(tab, 1)
    assert tab.know("state.scene.action") == "please turn to the left"
    tab.press("ArrowLeft")
    at_step(tab, 2)


def test_fingers_play(minigrid: Served, tab: Tab) -> None:
    tab.touch("#arrows button")
    at_step(tab, 1)
    tab.touch("[data-tool=undo]")
    at_step(tab, 0)
    tab.touch("[data-tool=reset]")
    tab.wait_for("state.scene.seed === '1'")
    tab.touch("[data-tool=pause]")
    tab.wait_for("state.scene.step >= 2")
    tab.touch("[data-tool=pause]")
    tab.wait_for("state.paused && answered()")


def test_a_lost_connection_comes_back_to_its_session(minigrid: Served, tab: Tab) -> None:
    tab.press("ArrowLeft")
    at_step(tab, 1)
    tab.know("state.socket.close()")
    tab.wait_for("state.socket.readyState === WebSocket.OPEN && state.scene.message === 'here you are again'")
    tab.press("ArrowLeft")
    at_step(tab, 2)
    tab.do("Page.reload")
    tab.wait_for("state.scene !== null && state.scene.step === 2")
    assert len(minigrid.server.players) == 1


def test_leaving_ends_the_session_and_offers_another(minigrid: Served, tab: Tab) -> None:
    tab.touch("[data-tool=leave]")
    tab.wait_for("document.getElementById('notice').textContent.includes('you have left')")
    tab.touch("#notice button")
    tab.wait_for(
        "state.socket.readyState === WebSocket.OPEN && !document.getElementById('notice').classList.contains('shown')"
    )


def test_the_picture_shows_every_pixel_as_a_square(minigrid: Served, tab: Tab, tmp_path: Path) -> None:
    tab.press("ArrowLeft")
    at_step(tab, 1)
    picture = tab.photograph(tmp_path / "page.png")
    box = "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('canvas').getBoundingClientRect())"
    left, top, width, height = map(round, tab.find(box))
    (player,) = minigrid.server.players.values()
    frame = player.scene.panels[0].chunk[-1]
    factor = width // frame.shape[1]
    assert factor >= 4
    shown = picture[top : top + height, left : left + width]
    np.testing.assert_array_equal(shown, frame.repeat(factor, axis=0).repeat(factor, axis=1))


@contextmanager
def playing(tab: Tab, checkpoint: Path | None, **options: Any) -> Iterator[Served]:
    """The page of a server whose world waits for its player, if not told otherwise."""
    with serving(checkpoint, **{"clock": "turns", **options}) as served:
        tab.open(served.address)
        tab.wait_for("state.scene !== null")
        yield served
        tab.open("about:blank")


def said(tab: Tab, message: str) -> None:
    tab.wait_for(f"document.getElementById('message').textContent.includes({json.dumps(message)})")


def test_a_picture_that_is_dropped_starts_an_episode(tab: Tab, checkpoint: Path, tmp_path: Path) -> None:
    with playing(tab, checkpoint) as served:
        tab.press("ArrowLeft")
        at_step(tab, 1)
        height, width = served.server._sessions.frame_size
        frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(frame).save(tmp_path / "frame.png")
        (tmp_path / "broken.png").write_bytes((tmp_path / "frame.png").read_bytes()[:40])
        tab.drop(tmp_path / "broken.png")
        said(tab, "the picture cannot be read: broken.png")
        assert tab.know("state.scene.step") == 1
        tab.drop(tmp_path / "frame.png")
        at_step(tab, 0)
        canvas(tab, served)
        (player,) = served.server.players.values()
        np.testing.assert_array_equal(player.scene.panels[0].chunk[-1], frame)


def test_sliders_say_numbers_while_they_are_dragged(tab: Tab, general_checkpoint: Path) -> None:
    with playing(tab, general_checkpoint, world="steer"):
        place = tab.find(
            "(({x, y, width, height}) => [x + width * 0.75, y + height / 2])"
            "(document.querySelector('#sliders input').getBoundingClientRect())"
        )
        mouse = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        tab.do("Input.dispatchMouseEvent", type="mousePressed", **mouse)
        tab.wait_for("state.scene.step >= 2")
        tab.do("Input.dispatchMouseEvent", type="mouseReleased", **mouse)
        tab.wait_for("answered() && state.held.size === 0")
        right, down = map(float, str(tab.know("state.scene.action")).split())
        assert 0.3 < right < 0.7 and down == 0
        step = tab.know("state.scene.step")
        tab.touch("#sliders button")
        tab.wait_for(f"state.scene.step > {step} && answered()")
        assert float(str(tab.know("state.scene.action")).split()[0]) == pytest.approx(right, abs=0.01)


PAD = """
const buttons = Array.from({ length: 16 }, () => ({ pressed: false, value: 0 }));
window.pad = { connected: true, axes: [0, 0, 0, 0], buttons };
navigator.getGamepads = () => [null, window.pad];
dispatchEvent(new Event("gamepadconnected"));
"""  # the Gamepad API's own shape: there is no hardware here


def test_a_pad_plays_a_world_of_texts(tab: Tab, checkpoint: Path) -> None:
    with playing(tab, checkpoint):
        tab.find(PAD)
        for number, text in ((14, "go left"), (0, "wait")):
            step = tab.know("state.scene.step")
            tab.find(f"pad.buttons[{number}].pressed = true")
            tab.wait_for(f"state.scene.step > {step}")
            tab.find(f"pad.buttons[{number}].pressed = false")
            tab.wait_for("state.held.size === 0 && answered()")
            assert tab.know("state.scene.action") == text
        tab.find("pad.axes[1] = 0.9")
        tab.wait_for("state.scene.action === 'go down'")
        tab.find("pad.connected = false, dispatchEvent(new Event('gamepaddisconnected'))")
        tab.wait_for("state.held.size === 0 && answered()")


def test_a_pad_says_numbers_in_a_world_of_numbers(tab: Tab, general_checkpoint: Path) -> None:
    with playing(tab, general_checkpoint, world="steer"):
        tab.find(PAD)
        tab.find("pad.axes[0] = -0.5, pad.buttons[7].value = 1")
        tab.wait_for("state.scene.action === '-0.50 +1.00'")
        tab.find("pad.axes[0] = 0.05, pad.buttons[7].value = 0")
        tab.wait_for("state.held.size === 0 && answered()")
        step = tab.know("state.scene.step")
        tab.find("new Promise((done) => setTimeout(done, 300))")
        assert tab.know("state.scene.step") == step


def test_a_script_plays_by_itself_and_hands_over(tab: Tab, checkpoint: Path) -> None:
    with playing(tab, checkpoint, script="go left * 2,undo,go down"):
        said(tab, "the script is over")
        assert tab.know("[state.scene.step, state.scene.action, state.drives, state.paused]") == [
            *(2, "go down"),
            *(False, True),
        ]
        tab.press("ArrowLeft")
        at_step(tab, 3)


def test_a_policy_that_fails_stops_the_clock_so_that_the_reason_can_be_read(tab: Tab, checkpoint: Path) -> None:
    with playing(tab, checkpoint, policy="wm_gym.data.episode:Episode"):
        tab.press("F8")
        said(tab, "policy Episode must play the dream")
        tab.find("new Promise((done) => setTimeout(done, 400))")
        said(tab, "policy Episode must play the dream")
        assert tab.know("[state.scene.step, state.drives, state.paused]") == [0, False, True]


def test_time_runs_at_the_worlds_pace_but_not_behind_the_help(tab: Tab, checkpoint: Path) -> None:
    with playing(tab, checkpoint, clock="running"):
        tab.wait_for("state.scene.step >= 3")
        tab.press("F1")
        tab.find("new Promise((done) => setTimeout(done, 300))")
        step = tab.know("state.scene.step")
        tab.find("new Promise((done) => setTimeout(done, 300))")
        assert tab.know("state.scene.step") == step
        tab.press("F1")
        tab.wait_for(f"state.scene.step > {step}")


def test_an_unknown_key_is_told(tab: Tab, checkpoint: Path) -> None:
    with playing(tab, checkpoint):
        tab.press("z")
        said(tab, "the key 'z' does nothing here: F1 shows those that do")
