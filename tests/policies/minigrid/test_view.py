"""The policies of MiniGrid seen from within: they get about, they come back, and they say what the world knows."""

from collections import Counter
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from policies.minigrid import PolicyFactory
from policies.minigrid.view import (
    Explorer,
    Move,
    Returner,
    blocked,
    explorer,
    mixed,
    returner,
    undone,
    without_idle_turns,
)


def make(split: str = "train") -> Any:
    """The text twin; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make("envs:real/MiniGridView-v0", split=split)


def play(env: Any, factory: PolicyFactory, seed: int) -> list[str]:
    """The texts of one episode."""
    observation, _ = env.reset(seed=seed)
    policy, texts, over = factory(env, np.random.default_rng(seed)), [], False
    while not over:
        texts.append(policy(observation))
        observation, _, terminated, over, _ = env.step(texts[-1])
        assert not terminated
    return texts


@pytest.mark.parametrize("factory", [explorer, returner, mixed])
def test_texts_are_the_worlds_and_all_actions_come(factory: PolicyFactory) -> None:
    env = make()
    names = {phrase: name for name, phrases in env.unwrapped.action_phrases.items() for phrase in phrases}
    texts = [text for seed in range(8) for text in play(env, factory, seed)]
    counts = Counter(names[text] for text in texts)
    assert set(counts) == set(env.unwrapped.action_phrases)
    assert len(texts) == 8 * 256 and len(set(texts)) > 80
    assert 0.2 <= counts["move forward"] / len(texts) <= 0.75


@pytest.mark.parametrize("factory", [explorer, returner, mixed])
def test_same_seed_gives_the_same_texts(factory: PolicyFactory) -> None:
    env = make()
    assert play(env, factory, 4) == play(env, factory, 4)


def test_explorer_sees_most_of_the_place() -> None:
    env = make()
    shares = []
    for seed in range(8):
        env.reset(seed=seed)
        simulator, seen = env.unwrapped.simulator, set()
        behaviour = Explorer(np.random.default_rng(seed))
        for _ in range(256):
            simulator.step(behaviour.act(simulator.grid_env))
            seen |= set(simulator.places_in_sight().ravel().tolist())
        shares.append(len(seen - {-1}) / 17**2)
    assert np.mean(shares) > 0.8


def test_explorer_hardly_ever_walks_into_things() -> None:
    env = make()
    env.reset(seed=0)
    simulator, behaviour = env.unwrapped.simulator, Explorer(np.random.default_rng(0))
    bumps = 0
    for _ in range(2000):
        stands_before = blocked(simulator.grid_env)
        move = behaviour.act(simulator.grid_env)
        bumps += stands_before and move is Move.MOVE_FORWARD
        simulator.step(move)
    assert 5 <= bumps <= 100


def test_returner_comes_back_to_the_very_pose_of_each_trip() -> None:
    env = make()
    lengths = []
    for seed in range(8):
        env.reset(seed=seed)
        simulator, behaviour, age = env.unwrapped.simulator, Returner(np.random.default_rng(seed)), 0
        for _ in range(600):
            now, home, was_going_back = simulator.pose, behaviour.home, behaviour.is_going_back
            move = behaviour.act(simulator.grid_env)
            if was_going_back and not behaviour.is_going_back:  # the next trip begins
                assert home == now == behaviour.home
                lengths.append(age)
                age = 0
            simulator.step(move)
            age += 1
    assert len(lengths) >= 24 and min(lengths) < 30 and max(lengths) > 80


def test_undone_way_leads_back_and_without_idle_turns_too() -> None:
    env = make()
    rng = np.random.default_rng(0)
    lengths = []
    for seed in range(10):
        env.reset(seed=seed)
        simulator, home, way = env.unwrapped.simulator, env.unwrapped.simulator.pose, []
        for number in rng.integers(3, size=40):
            before = simulator.pose
            simulator.step(int(number))
            way += [Move(int(number))] if simulator.pose != before else []
        away, back = simulator.clone(), undone(way, Move(int(rng.integers(2))))
        for moves in (back, without_idle_turns(back)):
            simulator.restore(away)
            for move in moves:
                simulator.step(move)
            assert simulator.pose == home
            lengths.append(len(moves))
    assert sum(lengths[1::2]) < 0.6 * sum(lengths[::2])


def test_three_turns_to_the_left_are_one_to_the_right() -> None:
    left, right, forward = Move.TURN_LEFT, Move.TURN_RIGHT, Move.MOVE_FORWARD
    assert without_idle_turns([left] * 3 + [forward] + [right] * 4 + [forward, left]) == [right, forward, forward, left]
