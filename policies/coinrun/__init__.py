"""Policies that record the CoinRun twin. They are privileged: they read the simulator, not the observation.

Each takes `(env, rng)` and returns a map from observation to text; texts are drawn uniformly among an action's
phrasings. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from policies.coinrun.behaviours import Behaviour, Fidgeting, Lapsing, RandomActions, Running, Wandering

Policy = Callable[[Any], str]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]

MIXED_SHARES = {"running": 0.4, "wandering": 0.4, "fidgeting": 0.2}
"""How often `mixed` draws each behaviour for an episode."""

LAPSE_SHARE = 0.15
"""How likely running or wandering lapses into fidgeting at a step under `mixed`."""


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Gets the coin."""
    return _policy(env, rng, lambda: Running(rng))


def wanderer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Goes back and forth, stays alive and leaves the coin alone."""
    return _policy(env, rng, lambda: Wandering(rng))


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the seven actions."""
    return _policy(env, rng, lambda: RandomActions(rng))


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `MIXED_SHARES`."""
    return _policy(env, rng, lambda: _draw_behaviour(rng))


def _draw_behaviour(rng: np.random.Generator) -> Behaviour:
    name = str(rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values())))
    if name == "fidgeting":
        return Fidgeting(rng)
    return Lapsing(rng, Running(rng) if name == "running" else Wandering(rng), LAPSE_SHARE)


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, start: Callable[[], Behaviour]) -> Policy:
    """A policy of a behaviour that starts anew with each episode and speaks in texts."""
    twin: Any = env.unwrapped
    phrasings = list(twin.action_phrases.values())
    behaviour: Behaviour | None = None

    def act(observation: Any) -> str:
        nonlocal behaviour
        if behaviour is None or twin.simulator.level.ticks == 0:
            behaviour = start()
        texts = phrasings[behaviour.act(twin.simulator)]
        return str(texts[int(rng.integers(len(texts)))])

    return act
