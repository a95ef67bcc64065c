"""Policies that record the Crafter twin. They are privileged: they read the game, not the observation.

Each takes `(env, rng)` and returns a map from observation to text; texts are drawn uniformly among an action's
phrasings. A policy starts afresh by itself when its env has been reset.
"""

from collections.abc import Callable
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from policies.crafter.expert import Expert
from policies.crafter.scene import MOVES, Action, Scene
from policies.crafter.tinkerer import Tinkerer

Policy = Callable[[Any], str]
PolicyFactory = Callable[[gym.Env[Any, Any], np.random.Generator], Policy]

MIXED_SHARES = {"tinkerer": 0.5, "sticky": 0.2, "expert": 0.3}
"""How often `mixed` draws each behaviour for an episode."""

RANDOM_SHARE, WAIT_SHARE = 0.08, 0.08
"""How many of the expert's actions `mixed` replaces by random ones and by waiting."""

WEIGHTS = {action: 0.12 if action in MOVES else 0.1 for action in (Action.WAIT, *MOVES, Action.INTERACT)}
"""How often the sticky random policy draws an action; the others share the rest."""

LONGEST_HOLD = 8  # steps


class Behaviour(Protocol):
    """Chooses an action from the moment of the game."""

    def act(self, scene: Scene) -> Action:
        """The next action."""
        ...


class RandomActions:
    """Uniform actions, each for one step."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the actions."""
        self._rng = rng

    def act(self, scene: Scene) -> Action:
        """The next action; the game is not looked at."""
        return Action(int(self._rng.integers(len(Action))))


class StickyActions:
    """Random actions by `WEIGHTS`, each held for 1 to 8 steps."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws the actions."""
        self._rng = rng
        self._action = Action.WAIT
        self._steps_left = 0
        rest = (1 - sum(WEIGHTS.values())) / (len(Action) - len(WEIGHTS))
        self._weights = np.array([WEIGHTS.get(action, rest) for action in Action])

    def act(self, scene: Scene) -> Action:
        """The next action; the game is not looked at."""
        if self._steps_left == 0:
            self._action = Action(int(self._rng.choice(len(Action), p=self._weights)))
            self._steps_left = int(self._rng.integers(1, LONGEST_HOLD + 1))
        self._steps_left -= 1
        return self._action


class Distracted:
    """The expert, with a share of random actions and of waiting."""

    def __init__(self, rng: np.random.Generator) -> None:
        """`rng` draws when it is distracted."""
        self._rng = rng
        self._expert = Expert(rng)
        self._random = RandomActions(rng)

    def act(self, scene: Scene) -> Action:
        """The next action."""
        luck = self._rng.random()
        if luck < WAIT_SHARE:
            return Action.WAIT
        return (self._random if luck < WAIT_SHARE + RANDOM_SHARE else self._expert).act(scene)


def expert(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Collects achievements and looks after itself."""
    return _policy(env, rng, lambda: Expert(rng))


def tinkerer(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Tries every action where it has an effect, and where it has none."""
    return _policy(env, rng, lambda: Tinkerer(rng))


def random_policy(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Uniform over the seventeen actions."""
    return _policy(env, rng, lambda: RandomActions(rng))


def mixed(env: gym.Env[Any, Any], rng: np.random.Generator) -> Policy:
    """Draws a behaviour for each episode: see `MIXED_SHARES`."""
    return _policy(env, rng, lambda: _draw_behaviour(rng))


def _draw_behaviour(rng: np.random.Generator) -> Behaviour:
    behaviours: dict[str, Callable[[np.random.Generator], Behaviour]] = {
        "tinkerer": Tinkerer,
        "sticky": StickyActions,
        "expert": Distracted,
    }
    return behaviours[str(rng.choice(list(MIXED_SHARES), p=list(MIXED_SHARES.values())))](rng)


def _policy(env: gym.Env[Any, Any], rng: np.random.Generator, start: Callable[[], Behaviour]) -> Policy:
    """Makes a policy of a behaviour that starts anew with each episode and speaks in texts."""
    twin: Any = env.unwrapped
    phrasings = list(twin.action_phrases.values())
    behaviour = start()

    def act(observation: Any) -> str:
        nonlocal behaviour
        if twin.simulator.num_steps == 0:
            behaviour = start()
        texts = phrasings[behaviour.act(Scene(twin.simulator.env))]
        return str(texts[int(rng.integers(len(texts)))])

    return act
