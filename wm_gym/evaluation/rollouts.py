"""Real rollouts: what the twin did, with the true state at every step, under a scripted policy."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from wm_gym.evaluation.twin import Env, State, real_twin

Policy: TypeAlias = Callable[[np.ndarray], str]
PolicyFactory: TypeAlias = Callable[[Env, np.random.Generator], Policy]


@dataclass(frozen=True, kw_only=True, eq=False)
class RealRollout:
    """T steps of the twin and the T+1 observations and states around them.

    Attributes:
        seed: The reset's seed.
        policy: Who acted, as "module:factory".
        observations: The twin's chunks.
        states: The true states, T+1 of them.
        actions: The texts, T of them.
        rewards: The reward of each step.
        terminated: Whether the step ended the episode; only the last can.
    """

    seed: int
    policy: str
    observations: UInt8[np.ndarray, "time frames height width channel"]
    states: tuple[State, ...]
    actions: tuple[str, ...]
    rewards: Float32[np.ndarray, " time-1"]
    terminated: Bool[np.ndarray, " time-1"]

    @property
    def num_steps(self) -> int:
        """Steps taken, T."""
        return len(self.actions)


@dataclass(frozen=True, kw_only=True, eq=False)
class LongRollout:
    """The actions of a rollout that is too long to keep, and the true states at a few steps.

    Attributes:
        seed: The reset's seed.
        start: The first observation.
        start_state: The state it shows.
        states: The true state at each step asked for.
        actions: All the texts.
    """

    seed: int
    start: UInt8[np.ndarray, "frames height width channel"]
    start_state: State
    states: dict[int, State]
    actions: tuple[str, ...]


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


def collect_rollout(env: Env, policy: str, *, seed: int, horizon: int) -> RealRollout:
    """Acts in the twin for `horizon` steps or until the episode ends.

    Args:
        env: The twin, from `make_twin`.
        policy: Who acts, as "module:factory".
        seed: Of the reset and of the policy.
        horizon: The most steps to take.

    Returns:
        The rollout.
    """
    twin = real_twin(env)
    observation, _ = env.reset(seed=seed)
    act = load_policy(policy)(env, np.random.default_rng([seed, 1]))
    observations, states = [observation], [twin.state()]
    actions: list[str] = []
    rewards: list[float] = []
    ended: list[bool] = []
    while len(actions) < horizon and not any(ended[-1:]):
        actions.append(act(observation))
        observation, reward, terminated, _, _ = env.step(actions[-1])
        observations.append(observation)
        states.append(twin.state())
        rewards.append(float(reward))
        ended.append(bool(terminated))
    return RealRollout(
        seed=seed,
        policy=policy,
        observations=np.stack(observations),
        states=tuple(states),
        actions=tuple(actions),
        rewards=np.asarray(rewards, dtype=np.float32),
        terminated=np.asarray(ended, dtype=bool),
    )


def collect_long_rollout(env: Env, policy: str, *, seed: int, num_steps: int, keep: tuple[int, ...]) -> LongRollout:
    """Acts in the twin for `num_steps` steps and keeps the actions.

    Args:
        env: The twin, from `make_twin`.
        policy: Who acts, as "module:factory".
        seed: Of the reset and of the policy.
        num_steps: Steps to take.
        keep: The steps, counted from 1, whose true state to keep.

    Returns:
        The rollout.

    Raises:
        ValueError: The policy ended the episode.
    """
    twin = real_twin(env)
    start, _ = env.reset(seed=seed)
    start_state, observation = twin.state(), start
    act = load_policy(policy)(env, np.random.default_rng([seed, 1]))
    actions: list[str] = []
    states: dict[int, State] = {}
    for step in range(1, num_steps + 1):
        actions.append(act(observation))
        observation, _, terminated, truncated, _ = env.step(actions[-1])
        if terminated or truncated:
            raise ValueError(
                f"drift_policy must not end the episode, got {policy!r}, which ended it at step {step} of seed {seed}; "
                "take a policy that avoids goals"
            )
        if step in keep:
            states[step] = twin.state()
    return LongRollout(seed=seed, start=start, start_state=start_state, states=states, actions=tuple(actions))
