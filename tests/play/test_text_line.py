"""The text line: typing, saying, dropping, recalling."""

import pygame
import pytest

from wm_gym.play.text_line import MAX_LENGTH, TextLine


def type_all(line: TextLine, text: str) -> None:
    for character in text:
        assert line.type(ord(character), 0, character) is None


@pytest.fixture
def line() -> TextLine:
    opened = TextLine()
    opened.open()
    return opened


def test_enter_says_what_was_typed(line: TextLine) -> None:
    type_all(line, "go leftt")
    line.type(pygame.K_BACKSPACE, 0, "\b")
    assert line.type(pygame.K_RETURN, 0, "\r") == "go left"
    assert line.text is None


def test_nothing_can_be_said_too(line: TextLine) -> None:
    assert line.type(pygame.K_KP_ENTER, 0, "\r") == ""


def test_escape_drops_the_line(line: TextLine) -> None:
    type_all(line, "go")
    assert line.type(pygame.K_ESCAPE, 0, "\x1b") is None
    assert line.text is None


def test_control_backspace_clears_the_line(line: TextLine) -> None:
    type_all(line, "go left")
    line.type(pygame.K_BACKSPACE, pygame.KMOD_LCTRL, "\b")
    assert line.text == ""


def test_only_what_a_world_takes_can_be_typed(line: TextLine) -> None:
    for character in ("é", "\t", "\x1b", "", "😀"):
        line.type(0, 0, character)
    assert line.text == ""
    type_all(line, "x" * (MAX_LENGTH + 5))
    assert line.text == "x" * MAX_LENGTH


def test_the_arrows_bring_texts_back(line: TextLine) -> None:
    for text in ("one", "two"):
        type_all(line, text)
        line.type(pygame.K_RETURN, 0, "\r")
        line.open()
    seen = []
    for key in (pygame.K_UP, pygame.K_UP, pygame.K_UP, pygame.K_DOWN, pygame.K_DOWN):
        line.type(key, 0, "")
        seen.append(line.text)
    assert seen == ["two", "one", "one", "two", ""]
