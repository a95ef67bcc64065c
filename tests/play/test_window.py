"""The window: what keys, files and the clock do, and that it lives while the model thinks."""

import time
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pygame
import pytest
from PIL import Image

from tests.play.fingers import pixels, play, press, release, tap, type_text
from tests.play.random_play import RandomPlayer
from tests.play.worlds import Ledger, SavedLedger
from wm_gym.play.camera import Camera
from wm_gym.play.moment import Moment
from wm_gym.play.pilot import Pilot
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker
from wm_gym.play.window import Window
from wm_gym.play.window_config import WindowConfig

MakeWindow = Callable[..., Window]


@pytest.fixture
def make_window() -> MakeWindow:
    """Makes windows of a ledger."""

    def make(env: Ledger | None = None, camera: Camera | None = None, **changes: object) -> Window:
        env = env or SavedLedger(step_seconds=0.5)
        left = changes.pop("on_leave", None)
        pilot = changes.pop("pilot_itself", None)
        session = Session(Stage(env, twin=TwinMaker(make=Ledger)), on_leave=left, pilot=pilot)  # type: ignore[arg-type]
        chunk_frames = (env.observation_space.shape or ())[0]
        values = {"frames_per_second": 50.0, "chunk_frames": chunk_frames, "key_map": env.key_map} | changes
        return Window(session, WindowConfig(**values), camera)  # type: ignore[arg-type]

    return make


def until(true: Callable[[], bool], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


def shown(window: Window, action: str, step: int) -> None:
    """Wait until the window shows this."""
    until(lambda: (window.scene.action, window.scene.step) == (action, step))


def told(window: Window, message: str) -> None:
    """Wait until the window says this."""
    until(lambda: message in window.scene.message)


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
        shown(window, "good", 1)
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            frame = pixels()[12:500:64, 12:500:64].tobytes()
            if not seen or seen[-1] != frame:
                seen.append(frame)
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


def test_a_policy_that_fails_stops_the_clock(make_window: MakeWindow) -> None:
    def tired(chunk: object) -> str:
        raise RuntimeError("tired")

    pilot = Pilot(name="sleepy", factory=lambda env, rng: tired, needs_twin=False)
    window = make_window(pilot="sleepy", pilot_itself=pilot)

    def player() -> None:
        tap(pygame.K_F8)
        told(window, "policy sleepy must play the dream, got RuntimeError('tired')")
        time.sleep(0.2)
        assert window.scene.step == 0
        assert "tired" in window.scene.message

    play(window, player)


@pytest.mark.parametrize("event", [pygame.JOYDEVICEREMOVED, pygame.WINDOWFOCUSLOST])
def test_hands_that_are_gone_let_go(make_window: MakeWindow, event: int) -> None:
    window = make_window()

    def player() -> None:
        pygame.event.post(pygame.Event(pygame.JOYHATMOTION, value=(-1, 0)))
        until(lambda: window.scene.step >= 5)
        pygame.event.post(pygame.Event(event))
        time.sleep(0.2)
        until(lambda: window.worker.idle)
        step = window.scene.step
        time.sleep(0.3)
        assert window.scene.step == step

    play(window, player)


def test_a_film_that_fills_the_disk_ends_and_play_goes_on(
    make_window: MakeWindow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.chdir(tmp_path)
    window = make_window()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def player() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
        try:
            tap(pygame.K_F10)
            told(window, "ends here, got [Errno 27] File too large")
            tap(pygame.K_LEFT)
            shown(window, "good", 1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        tap(pygame.K_F10)
        tap(pygame.K_LEFT)
        shown(window, "good", 2)

    play(window, player)
    assert any(path.stat().st_size > 4000 for path in tmp_path.glob("play-*.gif"))


@pytest.mark.parametrize("key", [pygame.K_F1, pygame.K_SLASH])
def test_time_stands_still_while_help_or_line_are_open(make_window: MakeWindow, key: int) -> None:
    window = make_window(runs=True)

    def player() -> None:
        until(lambda: window.scene.step >= 3)
        tap(key, character="/" if key == pygame.K_SLASH else "")
        time.sleep(0.2)
        until(lambda: window.worker.idle)
        step = window.scene.step
        time.sleep(0.2)
        assert window.scene.step == step
        tap(pygame.K_ESCAPE)
        until(lambda: window.scene.step > step)

    play(window, player)


def test_a_policy_that_is_paused_is_not_said_to_drive(make_window: MakeWindow) -> None:
    pilot = Pilot(name="steady", factory=lambda env, rng: lambda chunk: "steady on", needs_twin=False)
    window = make_window(pilot="steady", pilot_itself=pilot, drives=True)

    def player() -> None:
        until(lambda: window.overlay.mode == "steady drives")
        tap(pygame.K_F5)
        until(lambda: window.overlay.mode == "waits for you")

    play(window, player)


def test_the_pace_falls_when_nothing_happens(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_LEFT)
        shown(window, "good", 1)
        until(lambda: window.overlay.steps_per_second > 0)
        busy = pixels()
        until(lambda: window.overlay.steps_per_second == 0)
        until(lambda: bool((pixels()[-100:] != busy[-100:]).any()), 2.0)

    play(window, player)


def test_a_key_that_is_held_erases_the_text_line(make_window: MakeWindow) -> None:
    window = make_window()

    def player() -> None:
        tap(pygame.K_SLASH, character="/")
        until(lambda: pygame.key.get_repeat()[0] > 0)
        tap(pygame.K_ESCAPE)
        until(lambda: pygame.key.get_repeat()[0] == 0)

    play(window, player)
