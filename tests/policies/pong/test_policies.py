"""The policies that record Pong: how well they play, what they cover, and how they speak."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from envs.pong.actions import ACTIONS
from envs.pong.twin import PongTwin
from policies.pong import PolicyFactory, expert, mixed, random_policy


def play(factory: PolicyFactory, seed: int, steps: int) -> Iterator[tuple[str, float, PongTwin]]:
    """Text and reward of each step, and the twin after it."""
    twin = PongTwin()
    observation, _ = twin.reset(seed=seed)
    policy = factory(twin, np.random.default_rng(seed))
    for _ in range(steps):
        text = policy(observation)
        observation, reward, *_ = twin.step(text)
        yield text, reward, twin


def returned_and_missed(factory: PolicyFactory, steps: int) -> tuple[int, int]:
    """How many balls the player returned and how many it missed."""
    columns: list[int | None] = []
    missed = 0
    for _, reward, twin in play(factory, 0, steps):
        columns.append(twin.simulator.ball_native[0] if twin.simulator.ball_in_play else None)
        missed += reward < 0
    ways = [b - a if a is not None and b is not None else 0 for a, b in zip(columns, columns[1:], strict=False)]
    turns = zip(columns[1:], ways, ways[1:], strict=False)
    return sum(x is not None and x > 100 and before > 0 > after for x, before, after in turns), missed


def test_expert_returns_four_of_five_balls() -> None:
    returned, missed = returned_and_missed(expert, 500)
    assert returned >= 5 and returned >= 4 * missed


def test_mixed_returns_some_balls_and_misses_some() -> None:
    returned, missed = returned_and_missed(mixed, 500)
    assert returned >= 3 and missed >= 3


def test_mixed_takes_every_action_in_8_of_100_steps() -> None:
    counts = Counter(ACTIONS.index(text) for seed in range(3) for text, *_ in play(mixed, seed, 100))
    assert len(counts) == 3 and min(counts.values()) >= 0.08 * counts.total()


def test_mixed_takes_the_paddle_everywhere() -> None:
    tops = [twin.simulator.player_top for seed in range(3) for *_, twin in play(mixed, seed, 100)]
    assert np.count_nonzero(np.histogram(tops, bins=8, range=(-10, 156))[0]) == 8


@pytest.mark.parametrize("factory", [expert, random_policy, mixed])
def test_same_seed_gives_the_same_texts(factory: PolicyFactory) -> None:
    first, second = ([text for text, *_ in play(factory, 4, 60)] for _ in range(2))
    assert first == second


def test_random_policy_draws_every_phrasing() -> None:
    twin = PongTwin()
    twin.reset(seed=0)
    policy = random_policy(twin, np.random.default_rng(0))
    texts = {policy(None) for _ in range(4000)}
    assert texts == {phrase for phrases in ACTIONS.phrases.values() for phrase in phrases}
