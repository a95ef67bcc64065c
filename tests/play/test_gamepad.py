"""Gamepads: arrows and buttons in worlds of texts, numbers in worlds of numbers."""

import pygame
import pytest

from wm_gym.play.gamepad import Gamepads
from wm_gym.play.request import Request

KEY_MAP = {"left": "go left", "right": "go right", "up": "jump", "space": "fire", "w": "wait"}


def axis(number: int, value: float) -> pygame.Event:
    return pygame.Event(pygame.JOYAXISMOTION, axis=number, value=value)


def test_the_stick_is_the_arrow_keys() -> None:
    pads = Gamepads(KEY_MAP)
    assert pads.pressed(axis(0, -0.9)) == {("stick", "left"): Request("act", "go left"), ("stick", "right"): None}
    assert pads.pressed(axis(0, 0.1)) == {("stick", "left"): None, ("stick", "right"): None}
    assert pads.pressed(axis(1, -1.0)) == {("stick", "up"): Request("act", "jump")}


def test_the_cross_is_the_arrow_keys() -> None:
    event = pygame.Event(pygame.JOYHATMOTION, value=(1, 1))
    assert [request for request in Gamepads(KEY_MAP).pressed(event).values() if request] == [
        Request("act", "go right"),
        Request("act", "jump"),
    ]


def test_buttons_are_the_other_keys_in_their_order() -> None:
    pads = Gamepads(KEY_MAP)
    for number, text in enumerate(("fire", "wait")):
        assert pads.pressed(pygame.Event(pygame.JOYBUTTONDOWN, button=number)) == {
            ("button", number): Request("act", text)
        }
        assert pads.pressed(pygame.Event(pygame.JOYBUTTONUP, button=number)) == {("button", number): None}
    assert pads.pressed(pygame.Event(pygame.JOYBUTTONDOWN, button=2)) == {}


def test_sticks_and_triggers_are_numbers() -> None:
    pads = Gamepads(KEY_MAP, (-1.0, 0.0, 0.0), (1.0, 1.0, 1.0))  # steer, gas, brake
    assert pads.pressed(axis(0, -1.0)) == {}
    assert pads.held(axis(0, 0.05)) is None
    assert pads.held(axis(5, 1.0)) == Request("act", (0.0, 1.0, 0.0))
    assert pads.held(axis(0, -0.5)) == Request("act", (-0.5, 1.0, 0.0))
    assert pads.held(axis(5, -1.0)) == Request("act", (-0.5, 0.0, 0.0))
    assert pads.held(axis(0, 0.0)) is None


@pytest.mark.parametrize("value", [-1.2, 1.2])
def test_numbers_stay_in_their_range(value: float) -> None:
    held = Gamepads(KEY_MAP, (-2.0, -2.0), (4.0, 4.0)).held(axis(1, value))
    assert held is not None
    assert held.value == (1.0, -2.0 if value < 0 else 4.0)


def test_other_events_mean_nothing() -> None:
    pads = Gamepads(KEY_MAP)
    assert pads.pressed(pygame.Event(pygame.MOUSEMOTION)) == {}
    assert pads.pressed(axis(7, 1.0)) == {}


def test_a_pad_that_is_gone_rests() -> None:
    pads = Gamepads(KEY_MAP, (-1.0, 0.0), (1.0, 1.0))
    assert pads.held(axis(5, 1.0)) == Request("act", (0.0, 1.0))
    pads.rest()
    assert pads.held(axis(0, 1.0)) == Request("act", (1.0, 0.0))


def test_a_pad_that_goes_before_it_is_opened_is_fine() -> None:
    pygame.joystick.init()
    try:
        Gamepads(KEY_MAP).plug(99)
    finally:
        pygame.joystick.quit()
