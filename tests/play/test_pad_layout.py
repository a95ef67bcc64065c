"""What the parts of a pad stand for: buttons for texts, axes for numbers."""

import pytest

from wm_gym.play.pad_layout import pad_axes, pad_buttons


def test_the_space_bar_is_the_first_button_and_letters_for_arrows_are_none() -> None:
    key_map = {"up": "jump", "w": "jump", "left": "go left", "a": "go left", "q": "duck", "x": "duck", "space": "jump"}
    assert pad_buttons(key_map) == ["jump", "duck"]


@pytest.mark.parametrize(
    ("low", "axes"),
    [
        ((), []),
        ((-1.0, 0.0, 0.0), ["left x", "right trigger", "left trigger"]),
        ((-1.0, -2.0), ["left x", "left y"]),
        ((-1.0,) * 5, ["left x", "left y", "right x", "right y", "left x"]),
    ],
)
def test_triggers_are_the_numbers_that_begin_at_0(low: tuple[float, ...], axes: list[str]) -> None:
    assert pad_axes(low) == axes
