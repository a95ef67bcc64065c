"""Two pairs of hands for CarRacing: one says names of actions, the other turns numbers; both know the same manners.

A manner is a way to behave for a while: a callable from the race to an action.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from envs.carracing.actions import ACTIONS, CONTROLS
from envs.carracing.race import Race
from policies.carracing.pilot import Aim, Pilot

Numbers = npt.NDArray[np.float32]
Action = str | Numbers
Manner = Callable[[Race], Action]

LONGEST_HOLD = 8
"""Steps for which a random action is held at most."""

_TAP = CONTROLS["steer clockwise"][0]
_TURNS = {  # side, positive to the left -> name without gas, name with gas
    1: ("steer counterclockwise", "accelerate counterclockwise"),
    -1: ("steer clockwise", "accelerate clockwise"),
}


class Hands(ABC):
    """Makes manners; all randomness is that of `rng`."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws."""
        self._rng = rng

    @abstractmethod
    def drive(self, race: Race, cruise_speed: float, noise: float = 0.0) -> Manner:
        """Along the track; `noise` in [0, 1] tells how sloppily."""

    @abstractmethod
    def leave(self, race: Race) -> Manner:
        """Off the track, to one side."""

    @abstractmethod
    def brake(self, race: Race) -> Manner:
        """Brakes all along."""

    @abstractmethod
    def idle(self, race: Race) -> Manner:
        """Touches nothing."""

    @abstractmethod
    def draw(self) -> Action:
        """A random action."""

    def sticky(self, race: Race) -> Manner:
        """Random actions, each held for 1 to 8 steps."""
        held, left = self._draw_hold()

        def act(race: Race) -> Action:
            nonlocal held, left
            if left == 0:
                held, left = self._draw_hold()
            left -= 1
            return held

        return act

    def _draw_hold(self) -> tuple[Action, int]:
        """A random action and for how many steps."""
        return self.draw(), int(self._rng.integers(1, LONGEST_HOLD + 1))


class TextHands(Hands):
    """Says names of actions."""

    def drive(self, race: Race, cruise_speed: float, noise: float = 0.0) -> Manner:
        """Taps the wheel: what a text turns too far or too little is made up for with the next."""
        pilot = Pilot(race, cruise_speed)
        owed = 0.0  # wheel angle that was wanted and not yet given

        def act(race: Race) -> Action:
            nonlocal owed
            if noise and self._rng.random() < noise:
                return self.draw()
            aim = pilot.aim(race)
            owed = float(np.clip(owed + aim.steering, -_TAP, _TAP))
            turn = int(np.sign(owed)) if abs(owed) > _TAP / 2 else 0
            owed -= turn * _TAP
            return _name(turn, aim.extra_speed)

        return act

    def leave(self, race: Race) -> Manner:
        """Turns one way, with gas or without."""
        names = _TURNS[1 if self._rng.random() < 0.5 else -1]
        return lambda race: names[int(self._rng.random() < 0.5)]

    def brake(self, race: Race) -> Manner:
        """Says brake."""
        return lambda race: "brake"

    def idle(self, race: Race) -> Manner:
        """Says wait."""
        return lambda race: ACTIONS.idle

    def draw(self) -> Action:
        """Uniform over the actions."""
        return ACTIONS.names[int(self._rng.integers(len(ACTIONS.names)))]


class NumberHands(Hands):
    """Turns steering, gas and brake anywhere in their ranges."""

    def drive(self, race: Race, cruise_speed: float, noise: float = 0.0) -> Manner:
        """Takes the pilot's wishes as numbers; less gas in bends, where the rear wheels would slide."""
        pilot = Pilot(race, cruise_speed)

        def act(race: Race) -> Action:
            steering, gas, brake = _controls(pilot.aim(race))
            steering += noise * float(self._rng.normal(0, 0.5))
            gas += noise * float(self._rng.normal(0, 1))
            return _numbers(steering, gas, brake)

        return act

    def leave(self, race: Race) -> Manner:
        """Turns one way by one angle with one gas."""
        side = 1 if self._rng.random() < 0.5 else -1
        held = _numbers(side * self._rng.uniform(0.05, 0.5), self._rng.uniform(0, 1), 0)
        return lambda race: held

    def brake(self, race: Race) -> Manner:
        """Brakes with one force; a force of 0.9 and more blocks the wheels."""
        held = _numbers(0, 0, self._rng.uniform(0.1, 1))
        return lambda race: held

    def idle(self, race: Race) -> Manner:
        """All zero."""
        return lambda race: _numbers(0, 0, 0)

    def draw(self) -> Action:
        """Mostly one pedal at most and a wheel within its stop, a tenth anywhere."""
        rng = self._rng
        if rng.random() < 0.1:
            return _numbers(rng.uniform(-1, 1), rng.uniform(0, 1), rng.uniform(0, 1))
        steering = rng.uniform(-0.4, 0.4) if rng.random() < 0.7 else 0.0
        pedal = int(rng.integers(3))
        return _numbers(steering, rng.uniform(0, 1) * (pedal == 1), rng.uniform(0, 1) * (pedal == 2))


def _name(turn: int, extra_speed: float) -> str:
    """The action that turns to a side (0 for none) and changes the speed where that is far off."""
    if turn:
        return _TURNS[turn][int(extra_speed > 3)]
    return "accelerate" if extra_speed > 3 else "brake" if extra_speed < -8 else ACTIONS.idle


def _controls(aim: Aim) -> tuple[float, float, float]:
    """Steering, gas and brake for an aim."""
    grip_left = 1 - 0.8 * min(abs(aim.steering) / 0.4, 1)
    gas = float(np.clip(aim.extra_speed / 10, 0, grip_left))
    return -float(np.clip(aim.steering, -0.4, 0.4)), gas, float(np.clip((-aim.extra_speed - 3) / 20, 0, 0.8))


def _numbers(steering: float, gas: float, brake: float) -> Numbers:
    """The nearest numbers in range."""
    numbers = np.clip([steering, gas, brake], ACTIONS.control_low, ACTIONS.control_high)
    return numbers.astype(np.float32)
