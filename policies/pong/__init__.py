"""Policies that record Pong. They are privileged: they read the console's memory, not the observation.

Each takes `(env, rng)` and returns a map from observation to text; texts are drawn uniformly among an action's
phrasings.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from envs.pong.frames import BALL_HEIGHT, FIELD_SIZE, PADDLE_HEIGHT, PLAYER_X
from envs.pong.twin import TICKS, Pong

Policy = Callable[[Any], str]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]

MIXED_SHARES = {"expert": 0.3, "follower": 0.3, "sticky": 0.25, "idle": 0.15}
"""How often `mixed` draws each behaviour for the next stretch of an episode."""

STRETCH = (8, 49)  # steps for which `mixed` keeps a behaviour that is no idling, the last excluded
IDLE_STRETCH = (2, 17)
RANDOM_SHARE = 0.1  # of the actions of the expert and the follower under `mixed`
MAX_AIM = 7  # native rows between the middles of ball and paddle at a hit: it decides where the ball goes

_HELD_ROWS = 22  # native rows that a held paddle moves in a step
_COAST = 0.8  # how many steps' way a paddle rolls on when it is let go


class Action(IntEnum):
    """Pong's actions by the names of their texts."""

    MOVE_UP = 0
    MOVE_DOWN = 1
    WAIT = 2


class Behaviour(Protocol):
    """Chooses an action from the simulator's state."""

    def act(self, pong: Pong) -> Action:
        """The next action."""
        ...


class Sticky:
    """Random actions, each held for 1 to `max_hold` steps."""

    def __init__(self, rng: np.random.Generator, max_hold: int = 1) -> None:
        """`max_hold` is at least 1."""
        self._rng = rng
        self._max_hold = max_hold
        self._left = 0
        self._action = Action.WAIT

    def act(self, pong: Pong) -> Action:
        """The next action; the simulator is not looked at."""
        if self._left == 0:
            self._left = int(self._rng.integers(1, self._max_hold + 1))
            self._action = Action(int(self._rng.integers(len(Action))))
        self._left -= 1
        return self._action


class Idle:
    """Waits."""

    def act(self, pong: Pong) -> Action:
        """Always to wait."""
        return Action.WAIT


class Tracker:
    """Brings the paddle to where the ball will cross its column (`ahead`), or beside the ball.

    It hits each ball with another part of the paddle, so that rallies differ.
    """

    def __init__(self, rng: np.random.Generator, *, ahead: bool, random_share: float = 0.0) -> None:
        """`random_share` of its actions are random ones."""
        self._rng = rng
        self._ahead = ahead
        self._random_share = random_share
        self._ball: tuple[int, int] | None = None
        self._paddle: int | None = None
        self._heading = 0
        self._aim = 0

    def act(self, pong: Pong) -> Action:
        """The next action."""
        target = self._target(pong)
        top = pong.player_top
        rolling = 0 if self._paddle is None else top - self._paddle
        self._paddle = top
        if self._rng.random() < self._random_share:
            return Action(int(self._rng.integers(len(Action))))
        gap = target - (top + PADDLE_HEIGHT / 2 + _COAST * rolling)
        if abs(gap) <= _HELD_ROWS / 2:
            return Action.WAIT
        return Action.MOVE_DOWN if gap > 0 else Action.MOVE_UP

    def _target(self, pong: Pong) -> float:
        """The row where the middle of the paddle should be."""
        if not pong.ball_in_play:
            self._ball = None
            return FIELD_SIZE / 2
        x, y = pong.ball_native
        last, self._ball = self._ball, (x, y)
        across, along = (0.0, 0.0) if last is None else ((x - last[0]) / TICKS, (y - last[1]) / TICKS)
        heading = int(np.sign(across))
        if heading != self._heading:
            self._heading = heading
            self._aim = int(self._rng.integers(-MAX_AIM, MAX_AIM + 1))
        ticks = max((PLAYER_X - x) / across, 0.0) if self._ahead and across > 0 else float(TICKS)
        return _bounced(y + along * ticks) + BALL_HEIGHT / 2 + self._aim


class Mixture:
    """Changes from behaviour to behaviour: see `MIXED_SHARES`."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the behaviours, their stretches and their actions."""
        self._rng = rng
        self._left = 0
        self._behaviour: Behaviour = Idle()

    def act(self, pong: Pong) -> Action:
        """The next action."""
        if self._left == 0:
            self._behaviour, self._left = self._draw()
        self._left -= 1
        return self._behaviour.act(pong)

    def _draw(self) -> tuple[Behaviour, int]:
        name = str(self._rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values())))
        if name == "idle":
            return Idle(), int(self._rng.integers(*IDLE_STRETCH))
        stretch = int(self._rng.integers(*STRETCH))
        if name == "sticky":
            return Sticky(self._rng, max_hold=8), stretch
        return Tracker(self._rng, ahead=name == "expert", random_share=RANDOM_SHARE), stretch


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Returns nearly every ball: it knows where each will cross the paddle's column."""
    return _policy(env, rng, Tracker(rng, ahead=True))


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the three actions."""
    return _policy(env, rng, Sticky(rng))


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Plays well, less well, at random and not at all, in turns."""
    return _policy(env, rng, Mixture(rng))


def _bounced(row: float) -> float:
    """Where a ball that flies on through the walls really is; its first row turns at -4 and at 160."""
    way = FIELD_SIZE + BALL_HEIGHT
    row = (row + BALL_HEIGHT) % (2 * way)
    return min(row, 2 * way - row) - BALL_HEIGHT


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, behaviour: Behaviour) -> Policy:
    """Makes a policy that speaks in texts of a behaviour."""
    twin: Any = env.unwrapped
    phrasings = list(twin.action_phrases.values())

    def act(observation: Any) -> str:
        texts = phrasings[behaviour.act(twin.simulator)]
        return str(texts[int(rng.integers(len(texts)))])

    return act
