"""The page in a headless Chromium: keys, touches, texts, undo, bookmarks, a lost connection, and the right pixels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

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
    with serving(None, world="minigrid") as served:
        tab.open(served.address)
        tab.wait_for("typeof scene !== 'undefined' && scene !== null")
        yield served
        tab.open("about:blank")


def at_step(tab: Tab, step: int) -> None:
    tab.wait_for(f"scene.step === {step} && idle && heard === sent")


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
    tab.wait_for("scene.bookmarks.length === 1")
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
    tab.wait_for("scene.step >= 3")
    tab.do("Input.dispatchKeyEvent", type="keyUp", key="ArrowLeft", code="ArrowLeft")
    tab.wait_for("idle && heard === sent && held.size === 0")
    step = tab.find("scene.step")
    tab.find("new Promise((done) => setTimeout(done, 500))")
    assert tab.find("scene.step") == step


def test_texts_are_typed_and_said(minigrid: Served, tab: Tab) -> None:
    tab.press("Enter")
    tab.do("Input.insertText", text="please turn to the left")
    tab.press("Enter")
    at_step(tab, 1)
    assert tab.find("scene.action") == "please turn to the left"
    tab.press("ArrowLeft")
    at_step(tab, 2)


def test_fingers_play(minigrid: Served, tab: Tab) -> None:
    tab.touch("#arrows button")
    at_step(tab, 1)
    tab.touch("[data-tool=undo]")
    at_step(tab, 0)
    tab.touch("[data-tool=reset]")
    tab.wait_for("scene.seed === '1'")
    tab.touch("[data-tool=pause]")
    tab.wait_for("scene.step >= 2")
    tab.touch("[data-tool=pause]")
    tab.wait_for("paused && idle && heard === sent")


def test_a_lost_connection_comes_back_to_its_session(minigrid: Served, tab: Tab) -> None:
    tab.press("ArrowLeft")
    at_step(tab, 1)
    tab.find("socket.close()")
    tab.wait_for("socket.readyState === WebSocket.OPEN && scene.message === 'here you are again'")
    tab.press("ArrowLeft")
    at_step(tab, 2)
    tab.do("Page.reload")
    tab.wait_for("typeof scene !== 'undefined' && scene !== null && scene.step === 2")
    assert len(minigrid.server.players) == 1


def test_leaving_ends_the_session_and_offers_another(minigrid: Served, tab: Tab) -> None:
    tab.touch("[data-tool=leave]")
    tab.wait_for("document.getElementById('notice').textContent.includes('you have left')")
    tab.touch("#notice button")
    tab.wait_for(
        "socket.readyState === WebSocket.OPEN && !document.getElementById('notice').classList.contains('shown')"
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
