"""Policies that record the MiniGrid twin. They are privileged: they read the simulator, not the observation.

Each takes `(env, rng)` and returns a map from observation to text; texts are drawn uniformly among an action's
phrasings. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
from minigrid.core.world_object import Door
from minigrid.minigrid_env import MiniGridEnv

from policies.minigrid.expert import Expert
from policies.minigrid.explorer import PORTABLE, Explorer
from policies.minigrid.routes import Action, front, pose_of

Policy = Callable[[Any], str]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]

MIXED_SHARES = {"explorer": 0.34, "sticky": 0.34, "expert": 0.32}
"""How often `mixed` draws each behaviour for an episode."""

RANDOM_SHARE = 0.1
"""How many of the expert's actions are replaced by random ones under `mixed`."""

STICKINESS = 0.6
"""How likely the sticky random policy repeats its last action."""


HESITATION = 0.5
"""How likely the hesitant explorer waits where an action would change the world."""


class Behaviour(Protocol):
    """Chooses an action from the simulator's state."""

    def act(self, simulator: MiniGridEnv) -> IntEnum:
        """The next action, by the twin's number."""
        ...


@runtime_checkable
class Planner(Behaviour, Protocol):
    """A behaviour that plans ahead."""

    def forget(self) -> None:
        """Drop what was planned: the world has changed behind one's back."""
        ...


class RandomActions:
    """Uniform actions; repeats the last one with probability `stickiness`."""

    def __init__(self, rng: np.random.Generator, stickiness: float = 0.0) -> None:
        """`stickiness` is in [0, 1)."""
        self._rng = rng
        self._stickiness = stickiness
        self._last: Action | None = None

    def act(self, simulator: MiniGridEnv) -> Action:
        """The next action; the simulator is not looked at."""
        if self._last is None or self._rng.random() >= self._stickiness:
            self._last = Action(int(self._rng.integers(len(Action))))
        return self._last


class HesitantExplorer:
    """The explorer, who waits half of the time before what could be opened, taken or set down."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the tasks and the waits."""
        self._rng = rng
        self._explorer = Explorer(rng)

    def forget(self) -> None:
        """Drops the explorer's plan."""
        self._explorer.forget()

    def act(self, simulator: MiniGridEnv) -> Action:
        """The next action."""
        thing = simulator.grid.get(*front(pose_of(simulator)))
        matters = isinstance(thing, Door) or (thing is not None and thing.type in PORTABLE) or simulator.carrying
        return Action.WAIT if matters and self._rng.random() < HESITATION else self._explorer.act(simulator)


class GoalSeeker:
    """The expert, with a share of random actions; it explores where there is no goal."""

    def __init__(self, rng: np.random.Generator, random_share: float = 0.0) -> None:
        """`random_share` is in [0, 1]."""
        self._rng = rng
        self._random_share = random_share
        self._expert = Expert(rng)
        self._explorer = Explorer(rng)

    def forget(self) -> None:
        """Drops both plans."""
        self._expert.forget()
        self._explorer.forget()

    def act(self, simulator: MiniGridEnv) -> Action:
        """The next action."""
        if self._rng.random() < self._random_share:
            self.forget()
            return Action(int(self._rng.integers(len(Action))))
        action = self._expert.act(simulator)
        return self._explorer.act(simulator) if action is None else action


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Reaches the goal through keys, doors and obstacles; explores where there is no goal."""
    return speaking_policy(env, rng, lambda: GoalSeeker(rng))


def explorer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Picks up, drops, toggles and tries useless things; never enters the goal."""
    return speaking_policy(env, rng, lambda: Explorer(rng))


def hesitant(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """The explorer, who often idles where it could act: what teaches a world the many texts that mean nothing in it."""
    return speaking_policy(env, rng, lambda: HesitantExplorer(rng))


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the seven actions."""
    return speaking_policy(env, rng, lambda: RandomActions(rng))


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `MIXED_SHARES`."""
    return speaking_policy(env, rng, lambda: _draw_behaviour(rng))


def _draw_behaviour(rng: np.random.Generator) -> Behaviour:
    name = str(rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values())))
    if name == "explorer":
        return Explorer(rng)
    if name == "sticky":
        return RandomActions(rng, STICKINESS)
    return GoalSeeker(rng, RANDOM_SHARE)


def speaking_policy(env: gym.Env[Any, Any], rng: np.random.Generator, start: Callable[[], Behaviour]) -> Policy:
    """Makes a policy of a behaviour that starts anew with each episode and speaks in texts."""
    twin: Any = env.unwrapped
    phrasings = list(twin.action_phrases.values())
    behaviour = start()

    def act(observation: Any) -> str:
        nonlocal behaviour
        if twin.simulator.grid_env.step_count == 0:
            behaviour = start()
        elif twin.last_event and isinstance(behaviour, Planner):
            behaviour.forget()
        texts = phrasings[behaviour.act(twin.simulator.grid_env)]
        return str(texts[int(rng.integers(len(texts)))])

    return act
