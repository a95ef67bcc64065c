"""The recording policies: what they reach, what they never do, and how they speak."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.layouts import GENERATORS
from policies.minigrid import PolicyFactory, expert, explorer, hesitant, mixed, random_policy


def make(layout: str | None = None, split: str = "train") -> Any:
    """The text twin; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make("envs:real/MiniGrid-v0", layout=layout, split=split)


def play(env: Any, factory: PolicyFactory, seed: int) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """One episode: (text, state after it, terminated) for each step."""
    observation, _ = env.reset(seed=seed)
    policy = factory(env, np.random.default_rng(seed))
    terminated = truncated = False
    while not (terminated or truncated):
        text = policy(observation)
        observation, _, terminated, truncated, _ = env.step(text)
        yield text, env.unwrapped.state(), terminated


def interactions(env: Any, seeds: range) -> tuple[int, int]:
    """How many of the explorer's steps change an object, a door or the inventory, and of how many."""
    changes = steps = 0
    for seed in seeds:
        env.reset(seed=seed)
        before = env.unwrapped.state()
        for _, after, _ in play(env, explorer, seed):
            changes += any(before[part] != after[part] for part in ("objects", "doors", "carried"))
            steps += 1
            before = after
    return changes, steps


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("layout", list(GENERATORS))
def test_expert_reaches_the_goal_in_95_of_100_resets(layout: str, split: str) -> None:
    env = make(layout, split)
    outcomes = []
    for seed in range(100):
        env.reset(seed=seed)
        if env.unwrapped.state()["goal"] is not None:
            outcomes.append([terminated for *_, terminated in play(env, expert, seed)][-1])
    assert len(outcomes) > 50 and np.mean(outcomes) >= 0.95


def test_expert_explores_where_there_is_no_goal() -> None:
    env = make("objects")
    seed = next(seed for seed in range(20) if goalless(env, seed))
    states = [state for _, state, _ in play(env, expert, seed)]
    assert len(states) == 256 and any(state["carried"] for state in states)


def goalless(env: Any, seed: int) -> bool:
    env.reset(seed=seed)
    return env.unwrapped.state()["goal"] is None


@pytest.mark.parametrize("layout", list(GENERATORS))
def test_explorer_never_terminates(layout: str) -> None:
    env = make(layout)
    assert not any(terminated for seed in range(6) for *_, terminated in play(env, explorer, seed))


@pytest.mark.parametrize("layout", ["doorkey", "objects", "rooms", None])
def test_explorer_changes_something_in_a_fifth_of_its_steps(layout: str | None) -> None:
    changes, steps = interactions(make(layout), range(16))
    assert changes >= 0.2 * steps


def test_explorer_opens_closes_and_unlocks_doors() -> None:
    changes: set[tuple[str, str]] = set()
    env = make("rooms")
    for seed in range(12):
        env.reset(seed=seed)
        doors = env.unwrapped.state()["doors"]
        for _, state, _ in play(env, explorer, seed):
            changes |= {(doors[cell].split()[1], state["doors"][cell].split()[1]) for cell in doors}
            doors = state["doors"]
    assert {("open", "closed"), ("closed", "open"), ("locked", "open")} <= changes


def test_hesitant_explorer_idles_before_doors_and_still_opens_them() -> None:
    env = make("doorkey")
    idle = set(env.unwrapped.action_phrases["wait"])
    texts, doors = [], set()
    for seed in range(4):
        for text, state, terminated in play(env, hesitant, seed):
            assert not terminated
            texts.append(text)
            doors.update(state["doors"].values())
    assert 0.3 <= np.mean([text in idle for text in texts]) <= 0.6
    assert any(door.endswith("open") for door in doors)


def test_explorer_uses_every_action() -> None:
    env = make("rooms")
    names = {phrase: name for name, phrases in env.unwrapped.action_phrases.items() for phrase in phrases}
    assert {names[text] for text, *_ in play(env, explorer, 0)} == set(env.unwrapped.action_phrases)


@pytest.mark.parametrize("factory", [expert, explorer, random_policy, mixed])
def test_same_seed_gives_the_same_texts(factory: PolicyFactory) -> None:
    env = make("rooms")
    first, second = ([text for text, *_ in play(env, factory, 4)] for _ in range(2))
    assert first == second


def test_random_policy_draws_every_phrasing() -> None:
    env = make("objects")
    texts = {text for seed in range(40) for text, *_ in play(env, random_policy, seed)}
    assert texts == {phrase for phrases in env.unwrapped.action_phrases.values() for phrase in phrases}


def test_random_policy_is_uniform_over_actions() -> None:
    env = make("objects")
    names = {phrase: name for name, phrases in env.unwrapped.action_phrases.items() for phrase in phrases}
    counts = Counter(names[text] for seed in range(12) for text, *_ in play(env, random_policy, seed))
    shares = np.array(list(counts.values())) / counts.total()
    np.testing.assert_allclose(shares, 1 / 7, atol=0.04)


def test_mixed_draws_anew_when_its_env_is_reset() -> None:
    env = make("empty")
    policy = mixed(env, np.random.default_rng(0))
    lengths = []
    for seed in range(30):
        observation, _ = env.reset(seed=seed)
        terminated = truncated = False
        lengths.append(0)
        while not (terminated or truncated):
            observation, _, terminated, truncated, _ = env.step(policy(observation))
            lengths[-1] += 1
    assert min(lengths) < 20 and max(lengths) == 256
