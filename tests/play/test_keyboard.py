"""Keys: what they ask for, and that no world can take the last key of a command."""

import pygame
import pytest

from wm_gym.keys import key_codes
from wm_gym.play.keyboard import BINDINGS, Command, Keyboard
from wm_gym.play.request import Request

KEY_MAP = {"left": "turn left", "p": "pick up", "1": "one", "return": "open"}


@pytest.fixture
def keyboard() -> Keyboard:
    return Keyboard(KEY_MAP)


@pytest.mark.parametrize(
    ("code", "modifiers", "character", "command"),
    [
        (pygame.K_LEFT, 0, "", Request("act", "turn left")),
        (pygame.K_p, pygame.KMOD_LSHIFT, "P", Request("act", "pick up")),
        (pygame.K_RETURN, 0, "\r", Request("act", "open")),  # the world's key before the player's
        (pygame.K_1, 0, "1", Request("act", "one")),
        (pygame.K_1, pygame.KMOD_LCTRL, "", Request("bookmark", 1)),
        (pygame.K_1, pygame.KMOD_RALT, "", Request("branch", 1)),
        (pygame.K_2, 0, "2", Request("branch", 2)),
        (pygame.K_KP_9, 0, "9", Request("branch", 9)),
        (pygame.K_KP_1, 0, "", Request("branch", 1)),
        (pygame.K_KP_1, pygame.KMOD_CTRL, "", Request("bookmark", 1)),
        (pygame.K_KP_PERIOD, 0, ".", Request("act", "")),
        (pygame.K_F13, 0, "", None),
        (pygame.K_AMPERSAND, pygame.KMOD_LSHIFT, "4", Request("branch", 4)),  # a French keyboard
        (ord("²"), 0, "²", None),  # beside a French keyboard's 1
        (pygame.K_KP_0, 0, "0", None),
        (pygame.K_0, 0, "0", None),
        (pygame.K_BACKSPACE, 0, "\b", Request("undo")),
        (pygame.K_BACKSPACE, pygame.KMOD_RSHIFT, "\b", Request("redo")),
        (pygame.K_7, pygame.KMOD_LSHIFT, "/", "line"),  # a German keyboard
        (pygame.K_SLASH, 0, "/", "line"),
        (pygame.K_TAB, 0, "\t", Request("view")),
        (pygame.K_ESCAPE, 0, "", "leave"),
        (pygame.K_F1, 0, "", "help"),
        (pygame.K_z, 0, "z", None),
    ],
)
def test_a_key(keyboard: Keyboard, code: int, modifiers: int, character: str, command: Command | None) -> None:
    assert keyboard.find(code, modifiers, character) == command


def test_every_command_keeps_a_key_that_no_world_can_take() -> None:
    takeable = set(range(128))  # any character
    for binding in BINDINGS:
        free = [code for code in binding.codes if code not in takeable and code >= pygame.K_F1]
        assert free or binding.command == "leave", binding.label


def test_function_keys_are_no_names_of_a_key_map() -> None:
    with pytest.raises(ValueError, match="key must be"):
        key_codes({"f1": "wait"})


def test_modifiers_alone_are_silent(keyboard: Keyboard) -> None:
    silent = (pygame.K_LSHIFT, pygame.K_RCTRL, pygame.K_LALT, pygame.K_RGUI, pygame.K_CAPSLOCK, 0)
    assert all(keyboard.is_silent(code) for code in silent)
    assert not keyboard.is_silent(pygame.K_z)


def test_the_help_names_every_key(keyboard: Keyboard) -> None:
    labels = [label for label, _ in keyboard.help]
    assert labels[:4] == list(KEY_MAP)
    assert {binding.label for binding in BINDINGS} <= set(labels)
