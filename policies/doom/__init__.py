"""Policies that record the Doom twins. They are privileged: they read the simulator, not the observation.

Each takes `(env, rng)` and returns a map from observation to text; texts are drawn uniformly among an action's
phrasings. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from policies.doom.my_way_home import seek_vest, tour
from policies.doom.take_cover import dodge, sweep

Policy = Callable[[Any], str]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]
Behaviour = Callable[[Any, np.random.Generator], Iterator[int]]
"""Yields the numbers of actions, given the simulator and a generator; it looks at the simulator before each."""

TAKE_COVER_SHARES = {"dodge": 0.45, "sweep": 0.25, "sticky": 0.3}
"""How often `take_cover_mixed` draws each behaviour for an episode."""

MY_WAY_HOME_SHARES = {"tour": 0.65, "seek_vest": 0.15, "sticky": 0.2}
"""How often `my_way_home_mixed` draws each behaviour for an episode."""

RANDOM_SHARE = 0.1
"""How many of the competent behaviours' actions are replaced by random ones when recording."""

LONGEST_HOLD = 8
"""For how many steps at most the sticky random behaviour holds an action."""


def take_cover_expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Sees where the fireballs fly and steps aside."""
    return _policy(env, rng, dodge)


def take_cover_random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the three actions."""
    return _policy(env, rng, _uniform)


def take_cover_mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `TAKE_COVER_SHARES`."""
    behaviours = {"dodge": _disturbed(dodge), "sweep": _disturbed(sweep), "sticky": _sticky}
    return _policy(env, rng, _one_of(behaviours, TAKE_COVER_SHARES))


def my_way_home_expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Walks the shortest way to the vest."""
    return _policy(env, rng, seek_vest)


def my_way_home_explorer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Wanders, looks around, and comes back to where it has been."""
    return _policy(env, rng, tour)


def my_way_home_random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the five actions."""
    return _policy(env, rng, _uniform)


def my_way_home_mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `MY_WAY_HOME_SHARES`."""
    behaviours = {"tour": tour, "seek_vest": _disturbed(seek_vest), "sticky": _sticky}
    return _policy(env, rng, _one_of(behaviours, MY_WAY_HOME_SHARES))


def _uniform(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
    while True:
        yield int(rng.integers(len(simulator.actions.names)))


def _sticky(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
    """Holds random actions for random times."""
    for action in _uniform(simulator, rng):
        yield from [action] * int(rng.integers(1, LONGEST_HOLD + 1))


def _disturbed(behaviour: Behaviour) -> Behaviour:
    """The behaviour, now and then shoved by a random action."""

    def act(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
        shoves = _uniform(simulator, rng)
        for action in behaviour(simulator, rng):
            yield next(shoves) if rng.random() < RANDOM_SHARE else action

    return act


def _one_of(behaviours: dict[str, Behaviour], shares: dict[str, float]) -> Behaviour:
    def act(simulator: Any, rng: np.random.Generator) -> Iterator[int]:
        return behaviours[str(rng.choice(list(shares), p=list(shares.values())))](simulator, rng)

    return act


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, behaviour: Behaviour) -> Policy:
    """Makes a policy of a behaviour that starts anew with each episode, or within the first, and speaks in texts."""
    twin: Any = env.unwrapped
    phrasings = list(twin.action_phrases.values())
    actions: Iterator[int] | None = None

    def act(observation: Any) -> str:
        nonlocal actions
        if actions is None or twin.simulator.num_steps == 0:
            actions = behaviour(twin.simulator, rng)
        texts = phrasings[next(actions)]
        return str(texts[int(rng.integers(len(texts)))])

    return act
