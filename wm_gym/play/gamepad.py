"""Gamepads: the stick and the cross are the arrow keys, the buttons the world's other keys, or all of it numbers."""

from collections.abc import Hashable, Mapping
from contextlib import suppress
from typing import Any

from wm_gym.play.pad_layout import ARROWS, DEAD_ZONE, PRESSED, TRIGGERS, pad_axes, pad_buttons
from wm_gym.play.request import Request
from wm_gym.screen import pygame

_NUMBERS = {"left x": 0, "left y": 1, "right x": 3, "right y": 4, "right trigger": 5, "left trigger": 2}  # SDL's
_TRIGGERS = tuple(_NUMBERS[name] for name in TRIGGERS)
_DIRECTIONS = {0: ("left", "right"), 1: ("up", "down")}


class Gamepads:
    """Every pad that is plugged in, now or later.

    Args:
        key_map: name of a key -> text.
        low: smallest value of each number of a numeric action; empty in worlds of texts.
        high: largest value of each.
    """

    def __init__(self, key_map: Mapping[str, str], low: tuple[float, ...] = (), high: tuple[float, ...] = ()) -> None:
        self._arrows = {name: Request("act", key_map[name]) for name in ARROWS if name in key_map}
        self._buttons = [Request("act", text) for text in pad_buttons(key_map)]
        self._low, self._high = low, high
        self._axes = [_NUMBERS[name] for name in pad_axes(low)]
        self._deflections: dict[int, float] = {}
        self._pads: list[Any] = []
        self.rest()

    def plug(self, index: int) -> None:
        """Open a pad that the system reports; one that is gone again is fine."""
        with suppress(pygame.error):
            self._pads.append(pygame.joystick.Joystick(index))

    def rest(self) -> None:
        """Take all sticks and triggers for untouched: a pad that is unplugged does not say so."""
        self._deflections = {axis: -1.0 if axis in _TRIGGERS else 0.0 for axis in self._axes}

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
        value = 0.0 if axis not in _TRIGGERS and abs(value) < DEAD_ZONE else value
        low, high = self._low[index], self._high[index]
        return low + (high - low) * (min(max(value, -1.0), 1.0) + 1) / 2


def _at_rest(axis: int, value: float) -> bool:
    return value < -1 + DEAD_ZONE if axis in _TRIGGERS else abs(value) < DEAD_ZONE
