"""Key names to key codes, against pygame's own."""

import pygame
import pytest
from pygame.key import key_code

from wm_gym.keys import _KEY_CODES, key_codes


@pytest.fixture(autouse=True, scope="module")
def display() -> None:
    """Pygame names keys only with a display; the tests' is a dummy."""
    pygame.display.init()


@pytest.mark.parametrize("name", [*_KEY_CODES, "a", "z", "7", "."])
def test_codes_are_pygames(name: str) -> None:
    assert key_codes({name: "wait"}) == {(key_code(name),): "wait"}


def test_an_unknown_name_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="key must be a character or one of .*, got 'hyper'"):
        key_codes({"hyper": "wait"})
