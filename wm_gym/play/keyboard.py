"""Which key asks for what: the world's own keys first, then the player's, which have an F key each in any case."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from wm_gym.keys import key_codes
from wm_gym.play.request import ALL_STEPS, NUM_SLOTS, Request
from wm_gym.screen import pygame

WindowCommand: TypeAlias = Literal["help", "hud", "line", "pause", "pilot", "film", "full screen", "leave"]
Command: TypeAlias = Request | WindowCommand

REPEATING = ("act", "drive", "undo", "redo")  # requests that go on while their key is held


@dataclass(frozen=True, kw_only=True)
class Binding:
    """A key of the player's.

    Attributes:
        label: how the help calls it.
        meaning: what it does, in the help's words.
        codes: pygame's key codes, any of them.
        shift: whether with Shift.
        command: what it asks for.
    """

    label: str
    meaning: str
    codes: tuple[int, ...]
    shift: bool = False
    command: Command


BINDINGS = (
    Binding(label="F1", meaning="this help", codes=(pygame.K_F1,), command="help"),
    Binding(label="F2", meaning="hide or show the numbers", codes=(pygame.K_F2,), command="hud"),
    Binding(
        label="Backspace, F3",
        meaning="undo a step; hold it to go far",
        codes=(pygame.K_F3, pygame.K_BACKSPACE),
        command=Request("undo"),
    ),
    Binding(
        label="Shift+Backspace",
        meaning="redo",
        codes=(pygame.K_F3, pygame.K_BACKSPACE),
        shift=True,
        command=Request("redo"),
    ),
    Binding(
        label="Enter, /, F4",
        meaning="say any text to the world",
        codes=(pygame.K_F4, pygame.K_RETURN, pygame.K_KP_ENTER, pygame.K_SLASH),
        command="line",
    ),
    Binding(label="F5", meaning="pause, or let time run", codes=(pygame.K_F5, pygame.K_PAUSE), command="pause"),
    Binding(
        label="F6, .",
        meaning="one step of doing nothing",
        codes=(pygame.K_F6, pygame.K_PERIOD, pygame.K_KP_PERIOD),
        command=Request("act", ""),
    ),
    Binding(label="F7", meaning="reset with the next seed", codes=(pygame.K_F7,), command=Request("reset")),
    Binding(
        label="Shift+F7",
        meaning="back to the start",
        codes=(pygame.K_F7,),
        shift=True,
        command=Request("undo", count=ALL_STEPS),
    ),
    Binding(label="F8", meaning="policy on or off", codes=(pygame.K_F8,), command="pilot"),
    Binding(
        label="F9, Tab",
        meaning="dream, beside the real twin, or the twin alone",
        codes=(pygame.K_F9, pygame.K_TAB),
        command=Request("view"),
    ),
    Binding(label="F10", meaning="film on or off", codes=(pygame.K_F10,), command="film"),
    Binding(label="F11", meaning="full screen", codes=(pygame.K_F11,), command="full screen"),
    Binding(label="Esc", meaning="close this, or leave", codes=(pygame.K_ESCAPE,), command="leave"),
)
SLOT_HELP = (("Ctrl+1 ... 9", "bookmark this moment"), ("1 ... 9", "branch from a bookmark (or Alt+1 ... 9)"))
_SILENT = frozenset(
    {
        *range(pygame.K_LCTRL, pygame.K_RGUI + 1),  # held with others
        *(pygame.K_CAPSLOCK, pygame.K_NUMLOCKCLEAR, pygame.K_SCROLLLOCK, pygame.K_PRINTSCREEN, pygame.K_MODE, 0),
    }
)


class Keyboard:
    """The keys of one world.

    Args:
        key_map: name of a key -> text, as the env has it.
    """

    def __init__(self, key_map: Mapping[str, str]) -> None:
        self._key_map = dict(key_map)
        self._texts = {codes[0]: text for codes, text in key_codes(key_map).items()}

    @property
    def help(self) -> list[tuple[str, str]]:
        """Labels and meanings: the world's keys, then the player's."""
        mine = [(binding.label, binding.meaning) for binding in BINDINGS]
        return [*self._key_map.items(), ("", ""), *mine[:4], *SLOT_HELP, *mine[4:]]

    def find(self, code: int, modifiers: int = 0, character: str = "") -> Command | None:
        """What a key asks for; None when nothing.

        Args:
            code: pygame's key code.
            modifiers: pygame's bits.
            character: what the key types, which depends on the keyboard's layout.
        """
        control, alt = bool(modifiers & pygame.KMOD_CTRL), bool(modifiers & pygame.KMOD_ALT)
        if code in self._texts and not control and not alt:
            return Request("act", self._texts[code])
        if character == "/":
            return "line"
        if slot := _slot(code, character):
            return Request("bookmark" if control else "branch", slot)
        shift = bool(modifiers & pygame.KMOD_SHIFT)
        for binding in BINDINGS:
            if code in binding.codes and shift == binding.shift:
                return binding.command
        return None

    def is_silent(self, code: int) -> bool:
        """Whether a key means nothing alone, so that nobody need be told."""
        return code in _SILENT


def _slot(code: int, character: str) -> int:
    """The bookmark that a digit names, on either block of the keyboard; 0 for none."""
    for first in (pygame.K_1, pygame.K_KP_1):  # the keypad's 0 comes after its 9
        if 0 <= code - first < NUM_SLOTS:
            return code - first + 1
    return int(character) if character.isdecimal() else 0
