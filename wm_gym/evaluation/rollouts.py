"""Real rollouts: what the twin did, with the true state at every step, under a scripted policy."""

import importlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wm_gym.actions import Action
from wm_gym.evaluation.twin import Env, State, has_states, real_twin

Policy: TypeAlias = Callable[[np.ndarray], Any]
PolicyFactory: TypeAlias = Callable[[Env, np.random.Generator], Policy]


@dataclass(frozen=True, kw_only=True, eq=False)
class RealRollout:
    """T steps of the twin and the T+1 observations and states around them.

    Attributes:
        seed: The reset's seed.
        policy: Who acted, as "module:factory".
        clip: The frames that led to the first observation, and those of it: they show how things move.
        observations: The twin's chunks.
        states: The true states, T+1 of them; none where the twin cannot tell.
        actions: The texts and numbers, T of them.
        rewards: The reward of each step.
        terminated: Whether the step ended the episode; only the last can.
        world_events: What happened beside each action, "" for nothing; empty where nothing ever did.
    """

    seed: int
    policy: str
    clip: UInt8[np.ndarray, "frames height width channel"]
    observations: UInt8[np.ndarray, "time chunk height width channel"]
    states: tuple[State, ...]
    actions: tuple[Action, ...]
    rewards: Float32[np.ndarray, " time-1"]
    terminated: Bool[np.ndarray, " time-1"]
    world_events: tuple[str, ...] = ()

    @property
    def num_steps(self) -> int:
        """Steps taken, T."""
        return len(self.actions)


@dataclass(frozen=True, kw_only=True, eq=False)
class LongRollout:
    """The actions of a rollout that is too long to keep, and the true states at a few steps.

    Attributes:
        seed: The reset's seed.
        clip: The frames that led to the first observation, and those of it.
        start_state: The state that the first observation shows.
        states: The true state at each step asked for.
        actions: All the texts and numbers.
    """

    seed: int
    clip: UInt8[np.ndarray, "frames height width channel"]
    start_state: State
    states: dict[int, State]
    actions: tuple[Action, ...]


@dataclass(frozen=True, kw_only=True)
class Lead:
    """What goes before a rollout.

    Attributes:
        steps: How many steps the policy takes, at least and at most.
        clip_frames: How many frames to keep of them and of the first observation; an episode that is younger has fewer.
    """

    steps: tuple[int, int] = (0, 0)
    clip_frames: int = 1


def rollout_seed(seed: int, index: int, *, stream: int = 0) -> int:
    """Returns the reset's seed of rollout `index`: nearby seeds share no rollouts, and streams share none either."""
    return int(np.random.SeedSequence([seed, stream, index]).generate_state(1)[0])


def load_policy(name: str) -> PolicyFactory:
    """Imports a policy factory by its "module:factory" name.

    Raises:
        ValueError: The name has another form, or there is no such module or factory.
    """
    module_name, _, factory_name = name.partition(":")
    if not module_name or not factory_name:
        raise ValueError(f'policy must be written "module:factory", got {name!r}')
    try:
        return cast(PolicyFactory, getattr(importlib.import_module(module_name), factory_name))
    except (ModuleNotFoundError, AttributeError) as error:
        raise ValueError(
            f"policy must name a factory that can be imported, got {name!r} ({error}); "
            "run from a checkout, which has policies/"
        ) from error


class Walk:
    """An episode of the twin as a policy walks through it, with the last frames seen.

    Attributes:
        policy: Who acts.
        observation: What is seen now.
        age: Steps since the reset.
        over: Whether the episode ended.
    """

    def __init__(self, env: Env, policy: str, *, seed: int, clip_frames: int = 1) -> None:
        """Resets the twin and makes the policy, both with `seed`."""
        self._env = env
        self.observation, _ = env.reset(seed=seed)
        self.policy = load_policy(policy)(env, np.random.default_rng([seed, 1]))
        self._frames = deque(self.observation, maxlen=max(clip_frames, len(self.observation)))
        self.age = 0
        self.over = False

    @property
    def clip(self) -> UInt8[np.ndarray, "frames height width channel"]:
        """The last frames, the present observation's included."""
        return np.stack(self._frames)

    def step(self) -> tuple[Any, float, bool]:
        """Lets the policy act; returns its action, the reward and whether the episode terminated."""
        action = self.policy(self.observation)
        self.observation, reward, terminated, truncated, _ = self._env.step(action)
        self._frames.extend(self.observation)
        self.age += 1
        self.over = bool(terminated or truncated)
        return action, float(reward), bool(terminated)

    def advance(self, num_steps: int, *, least_age: int = 0) -> None:
        """Takes steps, and more until the episode has the age; one that ends on the way is followed by the next."""
        while num_steps > 0 or self.age < least_age:
            self.step()
            num_steps -= 1
            if self.over:
                self.restart()

    def restart(self) -> None:
        """Begins the next episode."""
        self.observation, _ = self._env.reset()
        self._frames.clear()
        self._frames.extend(self.observation)
        self.age = 0
        self.over = False


def collect_rollout(env: Env, policy: str, *, seed: int, horizon: int, lead: Lead | None = None) -> RealRollout:
    """Acts in the twin for `horizon` steps or until the episode ends.

    Args:
        env: The twin, from `make_twin`.
        policy: Who acts, as "module:factory".
        seed: Of the reset and of the policy.
        horizon: The most steps to take.
        lead: What goes before; nothing by default.

    Returns:
        The rollout.
    """
    walk = _led_walk(env, policy, seed, lead or Lead())
    clip, observations, states = walk.clip, [walk.observation], _states(env)
    actions: list[Any] = []
    rewards: list[float] = []
    ended: list[bool] = []
    while len(actions) < horizon and not walk.over:
        action, reward, terminated = walk.step()
        actions.append(action)
        observations.append(walk.observation)
        states += _states(env)
        rewards.append(reward)
        ended.append(terminated)
    return RealRollout(
        seed=seed,
        policy=policy,
        clip=clip,
        observations=np.stack(observations),
        states=tuple(states),
        actions=tuple(actions),
        rewards=np.asarray(rewards, dtype=np.float32),
        terminated=np.asarray(ended, dtype=bool),
    )


def collect_long_rollout(
    env: Env, policy: str, *, seed: int, num_steps: int, keep: tuple[int, ...], lead: Lead | None = None
) -> LongRollout:
    """Acts in the twin for `num_steps` steps and keeps the actions.

    Args:
        env: The twin, from `make_twin`.
        policy: Who acts, as "module:factory".
        seed: Of the reset and of the policy.
        num_steps: Steps to take.
        keep: The steps, counted from 1, whose true state to keep.
        lead: What goes before; nothing by default.

    Returns:
        The rollout.

    Raises:
        ValueError: The policy ended the episode.
    """
    twin = real_twin(env)
    walk = _led_walk(env, policy, seed, lead or Lead())
    clip, start_state = walk.clip, twin.state()
    actions: list[Any] = []
    states: dict[int, State] = {}
    for step in range(1, num_steps + 1):
        actions.append(walk.step()[0])
        if walk.over:
            raise ValueError(
                f"drift_policy must not end the episode, got {policy!r}, which ended it at step {step} of seed {seed}; "
                "take a policy that avoids goals"
            )
        if step in keep:
            states[step] = twin.state()
    return LongRollout(seed=seed, clip=clip, start_state=start_state, states=states, actions=tuple(actions))


def _led_walk(env: Env, policy: str, seed: int, lead: Lead) -> Walk:
    walk = Walk(env, policy, seed=seed, clip_frames=lead.clip_frames)
    least, most = lead.steps
    walk.advance(int(np.random.default_rng([seed, 2]).integers(least, most + 1)), least_age=least)
    return walk


def _states(env: Env) -> list[State]:
    return [real_twin(env).state()] if has_states(env) else []
