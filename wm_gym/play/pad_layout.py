"""What the parts of a gamepad stand for, in the window and on the page alike."""

from collections.abc import Mapping

STICKS = ("left x", "left y", "right x", "right y")  # rest in the middle
TRIGGERS = ("right trigger", "left trigger")  # rest at one end
DEAD_ZONE, PRESSED = 0.15, 0.5  # of the way from rest
ARROWS = ("left", "right", "up", "down")


def pad_buttons(key_map: Mapping[str, str]) -> list[str]:
    """The texts of the buttons: of the keys beside the arrows, the space bar's first, without an arrow's in letters."""
    names = sorted((name for name in key_map if name not in ARROWS), key=lambda name: name != "space")
    moves = {key_map[name] for name in ARROWS if name in key_map}
    return list(dict.fromkeys(key_map[name] for name in names if name == "space" or key_map[name] not in moves))


def pad_axes(low: tuple[float, ...]) -> list[str]:
    """An axis for each number of an action: triggers for those that begin at 0, sticks for the others."""
    sticks, triggers = iter(STICKS * len(low)), iter(TRIGGERS * len(low))
    return [next(triggers) if value == 0 else next(sticks) for value in low]
