"""Policies that record the CarRacing twin. They are privileged: they read the simulator, not the observation.

Each takes `(env, rng)` and returns a map from observation to action; texts are drawn uniformly among an action's
phrasings. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from envs.carracing.race import Race
from policies.carracing.hands import Action, Hands, Manner, NumberHands, TextHands

Policy = Callable[[Any], Action]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]

CRUISE_SPEED = 60.0
"""Of the experts."""

PHASES: dict[str, tuple[float, int, int]] = {
    "drive": (0.4, 8, 24),
    "sticky": (0.24, 8, 20),
    "leave": (0.16, 3, 8),
    "idle": (0.08, 2, 8),
    "brake": (0.12, 2, 8),
}
"""The manners of `mixed`: how often each is drawn, and for how many steps at least and at most."""


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Drives the track with texts."""
    return _policy(env, rng, lambda race: TextHands(rng).drive(race, CRUISE_SPEED))


def number_expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Drives the track with numbers."""
    return _policy(env, rng, lambda race: NumberHands(rng).drive(race, CRUISE_SPEED))


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the named actions."""
    return _policy(env, rng, lambda race: lambda race: TextHands(rng).draw())


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Drives, strays, idles, brakes and acts at random by turns: see `PHASES`; half of the episodes in numbers."""

    def start(race: Race) -> Manner:
        return _by_turns(TextHands(rng) if rng.random() < 0.5 else NumberHands(rng), rng, race)

    return _policy(env, rng, start)


def _by_turns(hands: Hands, rng: np.random.Generator, race: Race) -> Manner:
    """A manner that behaves in one of `PHASES` after the other."""
    manner, left = _draw_phase(hands, rng, race)

    def act(race: Race) -> Action:
        nonlocal manner, left
        if left == 0:
            manner, left = _draw_phase(hands, rng, race)
        left -= 1
        return manner(race)

    return act


def _draw_phase(hands: Hands, rng: np.random.Generator, race: Race) -> tuple[Manner, int]:
    """A manner and for how many steps."""
    weights = np.array([weight for weight, _, _ in PHASES.values()])
    name = str(rng.choice(list(PHASES), p=weights / weights.sum()))
    _, least, most = PHASES[name]
    if name == "drive":
        manner = hands.drive(race, rng.uniform(15, 75), noise=rng.uniform(0, 0.2))
    else:
        manner = {"sticky": hands.sticky, "leave": hands.leave, "idle": hands.idle, "brake": hands.brake}[name](race)
    return manner, int(rng.integers(least, most + 1))


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, start: Callable[[Race], Manner]) -> Policy:
    """Makes a policy of a manner that starts anew with each episode; names become phrasings."""
    twin: Any = env.unwrapped
    phrasings = twin.action_phrases
    manner: Manner | None = None

    def act(observation: Any) -> Action:
        nonlocal manner
        if manner is None or twin.simulator.num_steps == 0:
            manner = start(twin.simulator.race)
        action = manner(twin.simulator.race)
        if not isinstance(action, str):
            return action
        texts = phrasings[action]
        return str(texts[int(rng.integers(len(texts)))])

    return act
