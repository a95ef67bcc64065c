"""The window: what keys, files and the clock do, and that it lives while the model thinks."""

import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pygame
import pytest
from PIL import Image

from tests.play.conftest import MakeWindow
from tests.play.fingers import pixels, play, press, release, shown, tap, told, type_text, until
from tests.play.random_play import RandomPlayer
from tests.play.worlds import SavedLedger
from wm_gym.play.camera import Camera
from wm_gym.play.moment import Moment
from wm_gym.play.pilot import Pilot


def test_keys_act_undo_and_branch(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        tap(pygame.K_3, pygame.KMOD_LCTRL)
        told(window, "bookmark 3 is step 1")
        tap(pygame.K_RIGHT)
        shown(window, "bad", 2)
        tap(pygame.K_BACKSPACE)
        shown(window, "good", 1)
        tap(pygame.K_BACKSPACE, pygame.KMOD_LSHIFT)
        shown(window, "bad", 2)
        tap(pygame.K_3, character="3")
        shown(window, "good", 1)
        tap(pygame.K_F7)
        until(lambda: window.scene.seed == 1)

    play(window, player)


def test_a_typed_text_is_said(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_SLASH, character="/")
        type_text("left? 1/2")
        tap(pygame.K_RETURN, character="\r")
        shown(window, "left? 1/2", 1)
        tap(pygame.K_RETURN, character="\r")
        type_text("never")
        tap(pygame.K_ESCAPE)
        tap(pygame.K_LEFT)
        shown(window, "good", 2)

    play(window, player)


def test_time_runs_where_it_is_let(make_window: MakeWindow) -> None:
    window = make_window(runs=True)

    def player() -> None:
        until(lambda: window.scene.step >= 5 and window.scene.action == "")
        press(pygame.K_LEFT)
        until(lambda: window.scene.panels[0].total >= 4)
        release(pygame.K_LEFT)
        tap(pygame.K_F5)
        until(lambda: window.worker.idle)
        time.sleep(0.1)
        until(lambda: window.worker.idle)
        step = window.scene.step
        time.sleep(0.2)
        assert window.scene.step == step

    play(window, player)


def test_a_held_undo_goes_far(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        press(pygame.K_LEFT)
        until(lambda: window.scene.step >= 12)
        release(pygame.K_LEFT)
        press(pygame.K_BACKSPACE)
        told(window, "this is the start")
        release(pygame.K_BACKSPACE)

    play(window, player)


def test_an_unknown_key_is_told_and_play_goes_on(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_z, character="z")
        told(window, "the key 'z' does nothing here: F1 shows those that do")
        tap(pygame.K_LEFT)
        shown(window, "good", 1)

    play(window, player)


def test_escape_closes_the_help_first(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        until(lambda: pixels()[20:500, 20:500].mean() > 100)
        tap(pygame.K_F1)
        until(lambda: pixels()[20:500, 20:500].mean() < 50)
        tap(pygame.K_ESCAPE)
        until(lambda: pixels()[20:500, 20:500].mean() > 100)

    play(window, player)


@pytest.mark.parametrize("event", [pygame.Event(pygame.QUIT), pygame.Event(pygame.KEYDOWN, key=27, mod=0, unicode="")])
def test_closing_the_window_and_escape_leave(make_window: MakeWindow, event: pygame.Event) -> None:
    window = make_window()
    pygame.event.post(event)
    window.run()
    window.close()
    window.close()
    assert not pygame.display.get_init()


def test_files_that_are_dropped_start_or_are_told(make_window: MakeWindow, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (0, 255, 0)).save(tmp_path / "green.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "green.png").read_bytes()[:40])
    window = make_window()

    def player() -> None:
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        before = window.scene.panels[0].chunk
        pygame.event.post(pygame.Event(pygame.DROPFILE, file=str(tmp_path / "broken.png")))
        told(window, "image must be a picture that can be read")
        np.testing.assert_array_equal(window.scene.panels[0].chunk, before)
        pygame.event.post(pygame.Event(pygame.DROPFILE, file=str(tmp_path / "green.png")))
        shown(window, "", 0)

    play(window, player)


def test_the_twin_gets_room(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        alone = pixels().shape[1]
        tap(pygame.K_TAB)
        until(lambda: len(window.scene.panels) == 2)
        until(lambda: pixels().shape[1] > alone)

    play(window, player)


def test_the_window_lives_while_the_model_thinks(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_t)
        until(lambda: window.worker.thinking_seconds > 0)
        for _ in range(30):
            tap(pygame.K_RIGHT)
        tap(pygame.K_z)
        begin = time.perf_counter()
        told(window, "the key 'z' does nothing here")
        assert time.perf_counter() - begin < 0.4
        assert window.worker.num_waiting == 1
        shown(window, "bad", 2)

    play(window, player)


def test_closed_mid_step_it_leaves_at_once_and_all_was_kept(make_window: MakeWindow) -> None:
    left: list[Moment] = []
    window = make_window(SavedLedger(step_seconds=1.0), on_leave=left.append)
    session = window.worker._session

    def player() -> None:
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        tap(pygame.K_t)
        until(lambda: window.worker.thinking_seconds > 0)

    play(window, player)  # closes it in the middle of the step
    session.close()
    assert [moment.action for moment in left[0].path()] == ["", "good", "think"]


def test_what_breaks_the_session_ends_the_window(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_RETURN)
        type_text("break")
        tap(pygame.K_RETURN)
        until(lambda: not pygame.display.get_init())  # the window closes by itself

    with pytest.raises(RuntimeError, match="the ledger broke"):
        play(window, player)


def test_frames_of_a_chunk_follow_each_other(make_window: MakeWindow) -> None:
    window = make_window(SavedLedger(chunk_frames=4), frames_per_second=5.0)
    seen: list[bytes] = []

    def player() -> None:
        tap(pygame.K_LEFT)
        end = time.monotonic() + 3.0  # from the first moment on: a busy machine may miss one that it waits for
        before = b""
        while time.monotonic() < end:
            frame = pixels()[12:500:64, 12:500:64].tobytes()
            if frame == before and seen[-1:] != [frame]:  # seen twice: the first may have been half drawn
                seen.append(frame)
            before = frame
            time.sleep(0.01)

    play(window, player)
    assert [frame.tobytes() for frame in window.scene.panels[0].chunk] == seen[-4:]


def test_every_frame_is_filmed(make_window: MakeWindow, tmp_path: Path) -> None:
    window = make_window(SavedLedger(chunk_frames=3), Camera(tmp_path / "a.gif", 50.0))

    def player() -> None:
        for step in (1, 2):
            tap(pygame.K_LEFT)
            shown(window, "good", step)
        tap(pygame.K_BACKSPACE)
        shown(window, "good", 1)

    play(window, player)
    assert len(imageio.imread(tmp_path / "a.gif", index=None)) == 1 + 2 * 3 + 1


def test_a_film_can_be_switched_on_and_off(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    window = make_window()

    def player() -> None:
        tap(pygame.K_F10)
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        time.sleep(0.1)
        tap(pygame.K_F10)
        told(window, "the film is")

    play(window, player)
    (film,) = tmp_path.glob("play-*.gif")
    assert len(imageio.imread(film, index=None)) == 2


def test_a_policy_takes_over_and_a_key_still_acts(make_window: MakeWindow) -> None:
    pilot = Pilot(name="steady", factory=lambda env, rng: lambda chunk: "steady on", needs_twin=False)
    window = make_window(pilot="steady", pilot_itself=pilot)

    def player() -> None:
        tap(pygame.K_F8)
        until(lambda: window.scene.step >= 5 and window.scene.driver == "steady")
        tap(pygame.K_LEFT)
        until(lambda: window.scene.panels[0].total == 1)
        tap(pygame.K_F8)

    play(window, player)


def test_without_a_policy_there_is_a_word(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_F8)
        told(window, "there is no policy: play with --policy")

    play(window, player)


def test_a_key_is_seen_soon(make_window: MakeWindow) -> None:
    window = make_window()
    waits: list[float] = []

    def player() -> None:
        for _ in range(20):
            before = pixels()[20, 20].tobytes()
            begin = time.perf_counter()
            tap(pygame.K_LEFT)
            while pixels()[20, 20].tobytes() == before:
                assert time.perf_counter() - begin < 5
                time.sleep(0.001)
            waits.append(time.perf_counter() - begin)

    play(window, player)
    assert np.median(waits) < 0.12


def test_no_sound_device_is_asked_for(make_window: MakeWindow) -> None:
    window = make_window()
    play(window, lambda: tap(pygame.K_LEFT))
    assert pygame.mixer.get_init() is None


def test_random_play_breaks_nothing(make_window: MakeWindow) -> None:
    window = make_window(SavedLedger(step_seconds=0.02))
    tally = RandomPlayer(window, [pygame.K_LEFT, pygame.K_RIGHT, pygame.K_t]).play(2.0)
    window.close()
    assert tally.num_acts > 10 and not tally.error
    assert tally.most_waiting <= 2
