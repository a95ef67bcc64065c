"""Gamepads: the stick and the cross are the arrow keys, the buttons the world's other keys, or all of it numbers."""

from collections.abc import Hashable, Mapping
from typing import Any

from wm_gym.play.request import Request
from wm_gym.screen import pygame

DEAD_ZONE, PRESSED = 0.15, 0.5  # of an axis' way
_STICKS, _TRIGGERS = (0, 1, 3, 4), (5, 2)  # axes of a usual pad: left x and y, right x and y; right and left trigger
_DIRECTIONS = {0: ("left", "right"), 1: ("up", "down")}


class Gamepads:
    """Every pad that is plugged in, now or later.

    Args:
        key_map: name of a key -> text.
        low: smallest value of each number of a numeric action; empty in worlds of texts.
        high: largest value of each.
    """

    def __init__(self, key_map: Mapping[str, str], low: tuple[float, ...] = (), high: tuple[float, ...] = ()) -> None:
        arrows = [name for pair in _DIRECTIONS.values() for name in pair]
        self._arrows = {name: Request("act", key_map[name]) for name in arrows if name in key_map}
        self._buttons = [Request("act", text) for text in _button_texts(key_map, arrows)]
        self._low, self._high = low, high
        self._axes = _axes(low)
        self._deflections = {axis: -1.0 if axis in _TRIGGERS else 0.0 for axis in self._axes}
        self._pads: list[Any] = []

    def plug(self, index: int) -> None:
        """Open a pad that the system reports."""
        self._pads.append(pygame.joystick.Joystick(index))

    def pressed(self, event: pygame.Event) -> dict[Hashable, Request | None]:
        """What an event presses (a request) and what it lets go (None), by a name for the thing."""
        if event.type in (pygame.JOYBUTTONDOWN, pygame.JOYBUTTONUP) and event.button < len(self._buttons):
            down = event.type == pygame.JOYBUTTONDOWN
            return {("button", event.button): self._buttons[event.button] if down else None}
        if event.type == pygame.JOYHATMOTION:
            right, up = map(float, event.value)
            return self._directions("cross", 0, right) | self._directions("cross", 1, -up)
        if event.type == pygame.JOYAXISMOTION and not self._low and event.axis in _DIRECTIONS:
            return self._directions("stick", event.axis, event.value)
        return {}

    def held(self, event: pygame.Event) -> Request | None:
        """The action of numbers that the sticks stand for after an event; None when all are at rest."""
        if event.type == pygame.JOYAXISMOTION and event.axis in self._deflections:
            self._deflections[event.axis] = event.value
        if all(_at_rest(axis, value) for axis, value in self._deflections.items()):
            return None
        return Request("act", tuple(map(self._number, range(len(self._low)))))

    def _directions(self, thing: str, axis: int, value: float) -> dict[Hashable, Request | None]:
        names = _DIRECTIONS[axis]
        sides = ((names[0], value <= -PRESSED), (names[1], value >= PRESSED))
        return {(thing, name): self._arrows[name] if on else None for name, on in sides if name in self._arrows}

    def _number(self, index: int) -> float:
        """One number of the action, from its axis in [-1, 1]."""
        axis = self._axes[index]
        value = self._deflections[axis]
        value = 0.0 if axis in _STICKS and abs(value) < DEAD_ZONE else value
        low, high = self._low[index], self._high[index]
        return low + (high - low) * (min(max(value, -1.0), 1.0) + 1) / 2


def _button_texts(key_map: Mapping[str, str], arrows: list[str]) -> list[str]:
    """The texts of the keys beside the arrows, the space bar's first, without those that are an arrow's in letters."""
    names = sorted((name for name in key_map if name not in arrows), key=lambda name: name != "space")
    moves = {key_map[name] for name in arrows if name in key_map}
    return list(dict.fromkeys(key_map[name] for name in names if name == "space" or key_map[name] not in moves))


def _axes(low: tuple[float, ...]) -> list[int]:
    """An axis for each number: triggers, which rest at one end, for those that begin at 0; sticks for the others."""
    sticks, triggers = iter(_STICKS * len(low)), iter(_TRIGGERS * len(low))
    return [next(triggers) if value == 0 else next(sticks) for value in low]


def _at_rest(axis: int, value: float) -> bool:
    return value < -1 + DEAD_ZONE if axis in _TRIGGERS else abs(value) < DEAD_ZONE
