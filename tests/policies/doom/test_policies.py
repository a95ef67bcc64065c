"""The policies that record Doom: what they reach, what they come back to, and how they speak."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from policies import doom
from policies.doom import PolicyFactory

Step = tuple[str, tuple[float, float, float], float, bool]


@pytest.fixture(scope="module")
def hall() -> Iterator[Any]:
    env = gym.make("envs:real/DoomTakeCover-v0")
    yield env
    env.close()


@pytest.fixture(scope="module")
def maze() -> Iterator[Any]:
    env = gym.make("envs:real/DoomMyWayHome-v0")
    yield env
    env.close()


def play(env: Any, factory: PolicyFactory, seed: int, steps: int = 96) -> list[Step]:
    """The start of an episode: (text, pose, reward, terminated) of each step."""
    observation, _ = env.reset(seed=seed)
    policy = factory(env, np.random.default_rng(seed))
    lived: list[Step] = []
    while len(lived) < steps and not (lived and lived[-1][-1]):
        text = policy(observation)
        observation, reward, terminated, *_ = env.step(text)
        lived.append((text, env.unwrapped.simulator.pose(), reward, terminated))
    return lived


def shares(env: Any, factory: PolicyFactory, episodes: int) -> dict[str, float]:
    """How often each action is taken."""
    actions = env.unwrapped.simulator.actions
    texts = [text for seed in range(episodes) for text, *_ in play(env, factory, seed)]
    counts = Counter(actions.names[actions.index(text)] for text in texts)
    return {name: counts[name] / len(texts) for name in actions.names}


def test_dodging_outlives_chance(hall: Any) -> None:
    dodged, stumbled = (
        [len(play(hall, factory, seed, 120)) for seed in range(6)]
        for factory in (doom.take_cover_expert, doom.take_cover_random)
    )
    assert np.mean(dodged) > 1.3 * np.mean(stumbled)


def test_expert_finds_the_vest_for_a_point(maze: Any) -> None:
    for seed in range(6):
        *_, rewards, terminated = zip(*play(maze, doom.my_way_home_expert, seed, 150), strict=True)
        assert terminated[-1] and 0.94 < sum(rewards) <= 1


def test_explorer_comes_back_to_old_views(maze: Any) -> None:
    returns = [revisits(np.array([step[1] for step in play(maze, doom.my_way_home_explorer, s)])) for s in range(6)]
    assert np.mean(returns) > 0.1


def revisits(poses: np.ndarray) -> float:
    """The share of poses seen before, with another view in between."""
    x, y, angle = poses[:, None].transpose(2, 0, 1) - poses.transpose(1, 0)[:, None]
    turned = np.abs((angle + 180) % 360 - 180)
    away = (np.hypot(x, y) > 96) | (turned > 30)
    same = (np.hypot(x, y) < 24) & (turned < 8)
    back = [any(same[i, j] and away[i, j:i].any() for j in range(i)) for i in range(len(poses))]
    return float(np.mean(back))


@pytest.mark.parametrize("mixed", [doom.take_cover_mixed, doom.my_way_home_mixed])
def test_mixed_takes_every_action_often(mixed: PolicyFactory, request: pytest.FixtureRequest) -> None:
    env = request.getfixturevalue("hall" if mixed is doom.take_cover_mixed else "maze")
    assert min(shares(env, mixed, 16).values()) > 0.08


def test_random_policies_are_uniform(maze: Any) -> None:
    np.testing.assert_allclose(list(shares(maze, doom.my_way_home_random, 8).values()), 0.2, atol=0.05)


def test_same_seed_gives_the_same_texts(maze: Any) -> None:
    first, second = (play(maze, doom.my_way_home_mixed, 2) for _ in range(2))
    assert first == second


def test_policy_begins_anew_when_its_env_is_reset(maze: Any) -> None:
    policy = doom.my_way_home_expert(maze, np.random.default_rng(0))
    for seed in range(3):
        observation, _ = maze.reset(seed=seed)
        terminated = False
        while not terminated:
            observation, _, terminated, truncated, _ = maze.step(policy(observation))
            assert not truncated


def test_policy_may_begin_within_an_episode(hall: Any) -> None:
    observation, _ = hall.reset(seed=0)
    observation = hall.step("wait")[0]
    policy = doom.take_cover_expert(hall, np.random.default_rng(0))
    assert policy(observation) in {text for texts in hall.unwrapped.action_phrases.values() for text in texts}
