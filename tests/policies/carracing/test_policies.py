"""The recording policies of CarRacing: what they reach and how they speak."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from envs.carracing.actions import ACTIONS
from envs.carracing.twin import CarRacingTwin
from policies.carracing import PolicyFactory, expert, mixed, number_expert, random_policy

FACTORIES = [expert, number_expert, random_policy, mixed]
NOTHING_SEEN = np.zeros((1, 64, 64, 3), np.uint8)  # the policies are privileged; drawing would take most of the time


def play(twin: CarRacingTwin, factory: PolicyFactory, seed: int, steps: int) -> tuple[list[Any], float]:
    """One episode: its actions and its return."""
    simulator = twin.simulator
    simulator.reset(np.random.default_rng(seed), "test")
    policy = factory(twin, np.random.default_rng(seed))
    actions, total = [], 0.0
    for _ in range(steps):
        actions.append(policy(NOTHING_SEEN))
        number = ACTIONS.index(actions[-1]) if isinstance(actions[-1], str) else actions[-1]
        reward, terminated = simulator.step(number)
        total += reward
        if terminated:
            break
    return actions, total


@pytest.fixture(scope="module")
def recorded() -> list[list[Any]]:
    """The actions of 24 episodes of `mixed`."""
    twin = CarRacingTwin()
    return [play(twin, mixed, seed, 100)[0] for seed in range(24)]


@pytest.mark.parametrize("factory", [expert, number_expert])
def test_experts_return_several_hundred(factory: PolicyFactory) -> None:
    returns = [play(CarRacingTwin(), factory, seed, 250)[1] for seed in range(4)]
    assert min(returns) > 500


def test_random_policy_returns_nothing() -> None:
    assert play(CarRacingTwin(), random_policy, 0, 250)[1] < 100


@pytest.mark.parametrize("factory", FACTORIES)
def test_same_seed_gives_the_same_actions(factory: PolicyFactory) -> None:
    first, second = (play(CarRacingTwin(), factory, 4, 60)[0] for _ in range(2))
    assert list(map(repr, first)) == list(map(repr, second))


def test_half_of_the_episodes_are_numbers(recorded: list[list[Any]]) -> None:
    kinds = [{type(action) for action in actions} for actions in recorded]
    assert all(len(kind) == 1 for kind in kinds) and 6 <= kinds.count({np.ndarray}) <= 18


def test_mixed_uses_every_action_often_enough(recorded: list[list[Any]]) -> None:
    names = Counter(ACTIONS.index(each) for actions in recorded for each in actions if isinstance(each, str))
    assert len(names) == len(ACTIONS.names) and min(names.values()) >= 0.08 * names.total()


def test_mixed_numbers_are_in_range_and_fill_it(recorded: list[list[Any]]) -> None:
    numbers = np.stack(
        [ACTIONS.controls(each) for actions in recorded for each in actions if not isinstance(each, str)]
    )
    assert numbers.dtype == np.float32
    for column, low in zip(numbers.T, ACTIONS.control_low, strict=True):
        assert column.min() < low + 0.2 and column.max() > 0.8 and len(np.unique(column.round(1))) > 8


def test_texts_are_recorded_phrasings_drawn_alike(recorded: list[list[Any]]) -> None:
    texts = Counter(each for actions in recorded for each in actions if isinstance(each, str))
    phrases = ACTIONS.phrases["accelerate"]
    assert set(texts) <= {text for phrasings in ACTIONS.phrases.values() for text in phrasings}
    assert sum(text in texts for text in phrases) >= 0.9 * len(phrases)


def test_mixed_drives_and_strays() -> None:
    twin = CarRacingTwin()
    wheels = []
    for seed in range(12):
        play(twin, mixed, seed, 60)
        wheels.append(twin.simulator.race.wheels_on_road)
    assert {0, 4} <= set(wheels)


def test_policy_starts_anew_when_its_env_is_reset() -> None:
    twin = CarRacingTwin()
    twin.reset(seed=0)
    policy = mixed(twin, np.random.default_rng(0))
    kinds = set()
    for seed in range(12):
        twin.reset(seed=seed)
        kinds.add(type(policy(NOTHING_SEEN)))
    assert kinds == {str, np.ndarray}
