"""The recording policies of CoinRun: what they reach, what they leave alone, and how they speak."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.coinrun.actions import ACTIONS
from policies.coinrun import PolicyFactory, expert, mixed, random_policy, wanderer


def play(env: Any, factory: PolicyFactory, seed: int, num_steps: int = 64) -> Iterator[tuple[str, float, bool]]:
    """One episode: (text, reward, terminated) for each step."""
    observation, _ = env.reset(seed=seed)
    policy = factory(env, np.random.default_rng(seed))
    for _ in range(num_steps):
        text = policy(observation)
        observation, reward, terminated, *_ = env.step(text)
        yield text, reward, terminated
        if terminated:
            break


@pytest.fixture
def env() -> Any:
    return gym.make("envs:real/CoinRun-v0")


@pytest.mark.parametrize("split", ["train", "test"])
def test_expert_gets_the_coin(split: str) -> None:
    env = gym.make("envs:real/CoinRun-v0", split=split)
    assert [sum(reward for _, reward, _ in play(env, expert, seed)) for seed in range(4)] == [10.0] * 4


def test_wanderer_mostly_stays_alive_and_away_from_the_coin(env: Any) -> None:
    assert sum(any(terminated for *_, terminated in play(env, wanderer, seed, 30)) for seed in range(3)) <= 1


@pytest.mark.parametrize("factory", [expert, wanderer, random_policy, mixed])
def test_same_seed_gives_the_same_texts(env: Any, factory: PolicyFactory) -> None:
    first, second = ([text for text, *_ in play(env, factory, 4, 12)] for _ in range(2))
    assert first == second


def test_random_policy_draws_all_actions_and_many_phrasings(env: Any) -> None:
    texts = [text for seed in range(9) for text, *_ in play(env, random_policy, seed)]
    counts = Counter(ACTIONS.names[ACTIONS.index(text)] for text in texts)
    np.testing.assert_allclose([counts[name] / len(texts) for name in ACTIONS.names], 1 / 7, atol=0.06)
    assert len(set(texts)) > 120


def test_mixed_plays_idle_and_every_visible_action_often(env: Any) -> None:
    simulator = env.unwrapped.simulator
    counts: Counter[str] = Counter()
    for seed in range(16):
        env.reset(seed=seed)
        policy = mixed(env, np.random.default_rng(seed))
        for _ in range(40):
            index = ACTIONS.index(policy(None))
            counts[ACTIONS.names[index]] += 1
            if simulator.step(index)[1]:  # without drawing, which takes most of the time
                break
    assert min(counts[name] for name in ("wait", *simulator.visible_actions)) >= 0.07 * counts.total()


def test_no_policy_says_what_tests_the_language_model(env: Any) -> None:
    kept = {
        text for table in (ACTIONS.unseen_phrases, ACTIONS.transfer_phrases) for each in table.values() for text in each
    }
    assert not kept & {text for seed in range(3) for text, *_ in play(env, random_policy, seed)}


def test_policy_starts_afresh_when_its_env_is_reset(env: Any) -> None:
    policy = expert(env, np.random.default_rng(0))
    for seed in range(2):
        observation, _ = env.reset(seed=seed)
        terminated, reward = False, 0.0
        for _ in range(64):
            observation, reward, terminated, *_ = env.step(policy(observation))
            if terminated:
                break
        assert reward == 10.0
