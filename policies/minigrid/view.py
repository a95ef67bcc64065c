"""Policies that record MiniGrid seen from within: they walk about, and they come back to where they were.

They are privileged: they read the simulator, not the observation. Each takes `(env, rng)` and returns a map from
observation to text, as those of `policies.minigrid` do.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import Any

import gymnasium as gym
import numpy as np
from minigrid.minigrid_env import MiniGridEnv

from policies.minigrid import Behaviour, Policy, speaking_policy
from policies.minigrid.routes import front, pose_of

MIXED_SHARES = {"explorer": 0.35, "returner": 0.65}
"""How often `mixed` draws each behaviour for an episode."""

WAY_STEPS = (6, 60)
"""Steps that the returner takes before it goes back, at least and at most."""

LOOK_AWAY = 0.4
"""How often the returner stays where it is and only looks elsewhere."""

SHORT_CUT = 0.5
"""How often the way back leaves out the turns that come to nothing: those between two steps back, above all."""

WAIT, LOOK_ROUND, TURN, BUMP = 0.03, 0.06, 0.1, 0.1
"""How likely the explorer, before each step forward: waits, turns round on the spot, changes its direction; and how
likely it walks into what is in its way."""


class Move(IntEnum):
    """The actions by their numbers."""

    TURN_LEFT = 0
    TURN_RIGHT = 1
    MOVE_FORWARD = 2
    WAIT = 3


_TURNS = (Move.TURN_LEFT, Move.TURN_RIGHT)


class Explorer:
    """Walks straight on for long, and turns where it cannot, or now and then for no reason."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the ways."""
        self._rng = rng
        self._plan: list[Move] = []

    def act(self, simulator: MiniGridEnv) -> Move:
        """The next action."""
        if not self._plan:
            self._plan = self._choose(simulator)
        return self._plan.pop()

    def _choose(self, simulator: MiniGridEnv) -> list[Move]:
        turn = _TURNS[int(self._rng.integers(2))]
        chance = self._rng.random()
        if chance < WAIT:
            return [Move.WAIT] * int(self._rng.integers(1, 4))
        if chance < WAIT + LOOK_ROUND:
            return [turn] * int(self._rng.integers(2, 7))
        if chance < WAIT + LOOK_ROUND + TURN or (blocked(simulator) and self._rng.random() >= BUMP):
            return [turn]
        return [Move.MOVE_FORWARD]


class Onlooker:
    """Stays where it is: turns a few times, waits for a while, and again."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the turns and the waits."""
        self._rng = rng
        self._plan: list[Move] = []

    def act(self, simulator: MiniGridEnv) -> Move:
        """The next action; the simulator is not looked at."""
        if not self._plan:
            turns = [_TURNS[int(self._rng.integers(2))]] * int(self._rng.integers(1, 7))
            self._plan = [Move.WAIT] * int(self._rng.integers(0, 13)) + turns
        return self._plan.pop()


class Returner:
    """Wanders as the explorer does, or looks about, then undoes its way, then leaves again.

    Attributes:
        home: pose (x, y, direction) at which the present trip began.
        is_going_back: whether it is on its way back.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the ways."""
        self._rng = rng
        self._leader: Explorer | Onlooker = Explorer(rng)
        self._steps_left = 0
        self._way: list[Move] = []
        self._back: list[Move] = []
        self.home = (-1, -1, -1)
        self.is_going_back = False

    def act(self, simulator: MiniGridEnv) -> Move:
        """The next action."""
        if not self._steps_left and not self._back:
            self._start(simulator)
        if self._steps_left:
            return self._wander(simulator)
        self.is_going_back = True
        return self._back.pop(0)

    def _start(self, simulator: MiniGridEnv) -> None:
        self.home, self.is_going_back = pose_of(simulator), False
        self._leader = Onlooker(self._rng) if self._rng.random() < LOOK_AWAY else Explorer(self._rng)
        self._way = []
        self._steps_left = int(self._rng.integers(WAY_STEPS[0], WAY_STEPS[1] + 1))

    def _wander(self, simulator: MiniGridEnv) -> Move:
        self._steps_left -= 1
        move = self._leader.act(simulator)
        if move is not Move.WAIT and not (move is Move.MOVE_FORWARD and blocked(simulator)):
            self._way.append(move)
        if not self._steps_left:
            back = undone(self._way, _TURNS[int(self._rng.integers(2))])
            self._back = without_idle_turns(back) if self._rng.random() < SHORT_CUT else back
        return move


def explorer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Wanders all over the place."""
    return speaking_policy(env, rng, lambda: Explorer(rng))


def returner(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Wanders off or looks away and comes back, again and again: what it records is full of places seen again."""
    return speaking_policy(env, rng, lambda: Returner(rng))


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `MIXED_SHARES`."""
    return speaking_policy(env, rng, lambda: _draw_behaviour(rng))


def blocked(simulator: MiniGridEnv) -> bool:
    """Whether something is in the way of a step forward."""
    thing = simulator.grid.get(*front(pose_of(simulator)))
    return thing is not None and not thing.can_overlap()


def undone(way: Iterable[Move], turn: Move) -> list[Move]:
    """What undoes the moves of a way, last one first; a step is undone backwards, by turning round with `turn`."""
    back: list[Move] = []
    for move in reversed(list(way)):
        if move is Move.MOVE_FORWARD:
            back += [turn, turn, Move.MOVE_FORWARD, turn, turn]
        else:
            back.append(_TURNS[1 - move])
    return back


def without_idle_turns(moves: Iterable[Move]) -> list[Move]:
    """The same way with the fewest turns between two steps: three to the left are one to the right, four are none."""
    short: list[Move] = []
    quarters = 0  # to the right
    for move in [*moves, None]:
        if move in _TURNS:
            quarters += 1 if move is Move.TURN_RIGHT else -1
            continue
        short += [[], [Move.TURN_RIGHT], [Move.TURN_RIGHT] * 2, [Move.TURN_LEFT]][quarters % 4]
        quarters = 0
        if move is not None:
            short.append(move)
    return short


def _draw_behaviour(rng: np.random.Generator) -> Behaviour:
    name = rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values()))
    return Explorer(rng) if name == "explorer" else Returner(rng)
