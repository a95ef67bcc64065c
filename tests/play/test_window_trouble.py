"""A window in trouble: policies that fail, hands that go, full disks, and time that stands still."""

import time
from pathlib import Path

import pygame
import pytest

from tests.play.conftest import MakeWindow
from tests.play.fingers import pixels, play, shown, tap, told, until
from wm_gym.play.pilot import Pilot


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
