"""Policies that record the PushT twin. They are privileged: they read the simulator, not the observation.

Each takes `(env, rng)` and returns a map from observation to action: texts, drawn uniformly among an action's
phrasings, integers or numbers, as the env's actions are; `mixed` also speaks numbers in half of the episodes of a text
env. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from envs.pusht.actions import NUMBERS
from envs.pusht.twin import PushT
from policies.pusht.behaviours import LONGEST_HOLD, Behaviour, Explorer, RandomMoves, Restless
from policies.pusht.expert import Expert
from policies.pusht.routes import Move

Policy = Callable[[Any], Any]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]
Start = Callable[[np.random.Generator, bool], Behaviour]

MIXED_SHARES = {"explorer": 0.4, "sticky": 0.25, "expert": 0.35}
"""How often `mixed` draws each behaviour for an episode."""

SLIPS = 0.1
"""The share of the expert's steps that are random ones under `mixed`."""

_INDICES = {move: index for index, move in enumerate(NUMBERS.values())}


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Pushes the T to the goal."""
    return _policy(env, rng, Expert)


def explorer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Pushes the T about from all sides."""
    return _policy(env, rng, Explorer)


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the nine actions; with numbers, see `random_move`."""
    return _policy(env, rng, RandomMoves)


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode, see `MIXED_SHARES`, and on a text env whether it speaks texts or numbers."""
    return _policy(env, rng, _draw_behaviour, share_of_numbers=0.5)


def _draw_behaviour(rng: np.random.Generator, fine: bool) -> Behaviour:
    name = str(rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values())))
    if name == "sticky":
        return RandomMoves(rng, fine, longest=LONGEST_HOLD)
    if name == "explorer":
        return Restless(Explorer(rng, fine), rng, fine, slips=0.0)
    return Restless(Expert(rng, fine), rng, fine, slips=SLIPS)


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, start: Start, share_of_numbers: float = 0.0) -> Policy:
    """Makes a policy of a behaviour that starts anew with each episode."""
    twin: Any = env.unwrapped
    simulator: PushT = twin.simulator
    speaks_texts = isinstance(env.action_space, gym.spaces.Text)
    phrasings = list(twin.action_phrases.values())

    def begin() -> tuple[Behaviour, bool]:
        fine = isinstance(env.action_space, gym.spaces.Box) or (speaks_texts and bool(rng.random() < share_of_numbers))
        return start(rng, fine), fine

    behaviour, fine = begin()

    def say(move: Move) -> Any:
        if fine:
            return np.clip(np.array(move, np.float32), -1.0, 1.0)
        index = _INDICES[move]
        return str(phrasings[index][int(rng.integers(len(phrasings[index])))]) if speaks_texts else index

    def act(observation: Any) -> Any:
        nonlocal behaviour, fine
        if simulator.num_steps == 0:
            behaviour, fine = begin()
        return say(behaviour.act(simulator.poses))

    return act
