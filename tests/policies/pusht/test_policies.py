"""The recording policies of PushT: how they speak, and what they try."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.pusht.actions import ACTIONS
from envs.pusht.twin import SUCCESS_COVERAGE
from policies.pusht import PolicyFactory, expert, explorer, mixed, random_policy


def make(kind: str = "", split: str = "train") -> Any:
    """A twin of 64 steps an episode; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make(f"envs:real/PushT{kind}-v0", split=split, max_episode_steps=64)


def play(env: Any, factory: PolicyFactory, seed: int) -> Iterator[tuple[Any, float, bool]]:
    """One episode: (action, reward, terminated) for each step."""
    observation, _ = env.reset(seed=seed)
    policy = factory(env, np.random.default_rng(seed))
    terminated = truncated = False
    while not (terminated or truncated):
        action = policy(observation)
        observation, reward, terminated, truncated, _ = env.step(action)
        yield action, reward, terminated


@pytest.mark.parametrize("kind, split, least", [("", "train", 0.8), ("", "test", 0.8), ("Box", "train", 0.85)])
def test_expert_covers_most_of_the_goal_within_64_steps(kind: str, split: str, least: float) -> None:
    env = make(kind, split)
    coverages = [max(reward for _, reward, _ in play(env, expert, seed)) * SUCCESS_COVERAGE for seed in range(3)]
    assert np.mean(coverages) >= least


def test_explorer_moves_the_block_in_a_quarter_of_its_steps() -> None:
    env = make()
    changes = steps = 0
    for seed in range(5):
        env.reset(seed=seed)
        before = env.unwrapped.state()["block"]
        for _ in play(env, explorer, seed):
            after = env.unwrapped.state()["block"]
            changes += bool(np.hypot(*np.subtract(before, after)) > 1)
            steps += 1
            before = after
    assert changes >= 0.25 * steps


@pytest.mark.parametrize("factory", [expert, explorer, random_policy])
def test_text_env_hears_trained_texts_of_every_kind(factory: PolicyFactory) -> None:
    texts = [action for action, *_ in play(make(), factory, 1)]
    known = {text for phrases in ACTIONS.phrases.values() for text in phrases}
    assert set(texts) <= known and len(set(texts)) > 10


def test_discrete_env_gets_integers_and_box_env_numbers() -> None:
    assert {type(action) for action, *_ in play(make("Discrete"), mixed, 1)} == {int}
    assert all(action.shape == (2,) and action.dtype == np.float32 for action, *_ in play(make("Box"), mixed, 1))


def test_mixed_speaks_texts_in_half_of_the_episodes() -> None:
    env = make()
    actions = [next(play(env, mixed, seed))[0] for seed in range(30)]
    assert 9 <= sum(isinstance(action, str) for action in actions) <= 21


@pytest.mark.parametrize("seed", [1, 3])
def test_mixed_keeps_to_texts_or_numbers_for_an_episode(seed: int) -> None:
    assert len({type(action) for action, *_ in play(make(), mixed, seed)}) == 1


def test_mixed_does_everything_often() -> None:
    env = make("Discrete")
    counts = Counter(action for seed in range(9) for action, *_ in play(env, mixed, seed))
    assert min(counts[index] for index in range(9)) >= 0.06 * counts.total()


def test_same_seed_gives_the_same_actions() -> None:
    first, second = ([str(action) for action, *_ in play(make(), mixed, 6)] for _ in range(2))
    assert first == second


def test_policy_starts_afresh_after_a_reset() -> None:
    env = make()
    policy = mixed(env, np.random.default_rng(0))
    kinds = set()
    for seed in range(12):
        observation, _ = env.reset(seed=seed)
        kinds.add(type(policy(observation)))
    assert kinds == {str, np.ndarray}
