"""The recording policies of Crafter: what they reach, what they try, and how they speak."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from policies.crafter import PolicyFactory, expert, mixed, random_policy, tinkerer
from policies.crafter.scene import MOVES, Action, Scene


def make(start: str | None = None) -> Any:
    """The text twin; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make("envs:real/Crafter-v0", start=start)


def play(env: Any, factory: PolicyFactory, seed: int, num_steps: int) -> Iterator[tuple[str, Action, bool]]:
    """One episode: (text, its action, whether that has an effect) of each step."""
    observation, _ = env.reset(seed=seed)
    policy = factory(env, np.random.default_rng(seed))
    simulator = env.unwrapped.simulator
    for _ in range(num_steps):
        text = policy(observation)
        action = Action(simulator.actions.index(text))
        yield text, action, Scene(simulator.env).has_effect(action)
        observation, _, terminated, *_ = env.step(text)
        if terminated:
            break


def test_expert_gets_eight_achievements_in_128_steps() -> None:
    env = make("new")
    counts = []
    for seed in range(3):
        for _ in play(env, expert, seed, 128):
            pass
        counts.append(sum(count > 0 for count in env.unwrapped.simulator.env._player.achievements.values()))
    assert np.mean(counts) >= 8


def test_mixed_waits_and_moves_each_way_in_8_percent_of_steps() -> None:
    env = make()
    counts = Counter(action for seed in range(6) for _, action, _ in play(env, mixed, seed, 128))
    shares = {action: counts[action] / counts.total() for action in Action}
    assert min(shares[action] for action in (Action.WAIT, *MOVES)) >= 0.07  # 8 % but for chance


def test_tinkerer_tries_actions_where_they_work_and_where_they_do_not() -> None:
    env = make("midway")
    tried = {(action, effect) for seed in range(6) for _, action, effect in play(env, tinkerer, seed, 128)}
    assert len(tried) >= 22  # of 33: all but waiting with and without


@pytest.mark.parametrize("factory", [expert, tinkerer, random_policy, mixed])
def test_same_seed_gives_the_same_texts(factory: PolicyFactory) -> None:
    env = make()
    first, second = ([text for text, *_ in play(env, factory, 4, 30)] for _ in range(2))
    assert first == second


def test_random_policy_is_uniform_over_actions() -> None:
    env = make("new")
    counts = Counter(action for seed in range(2) for _, action, _ in play(env, random_policy, seed, 400))
    np.testing.assert_allclose([counts[action] / counts.total() for action in Action], 1 / 17, atol=0.03)


def test_policy_starts_anew_when_its_env_is_reset() -> None:
    env = make("new")
    policy = mixed(env, np.random.default_rng(0))
    shares = []
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        actions = []
        for _ in range(20):
            text = policy(observation)
            actions.append(env.unwrapped.simulator.actions.index(text))
            observation, *_ = env.step(text)
        shares.append(len(set(actions)))
    assert len(set(shares)) > 1
