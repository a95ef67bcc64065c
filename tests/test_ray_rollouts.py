"""Rollouts on Ray: two local actors give what one vector env of all their worlds gives, and a lost one is an error."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import wm_gym
from tests.production import unchecked
from tests.worlds import FRAME_SIZE

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no report to anybody
ray = pytest.importorskip("ray")

from wm_gym.ray_rollouts import RayRollouts, WorkerLost  # noqa: E402  # after the skip

assert wm_gym  # registers the ids

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

ID = "wm_gym:wm_gym/WorldDiscrete-v0"
NUM_WORKERS, NUM_ENVS, NUM_STEPS = 2, 2, 5


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Ray on this machine, without a dashboard."""
    ray.init(num_cpus=NUM_WORKERS, include_dashboard=False, log_to_driver=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def rollouts(checkpoint: Path) -> Iterator[RayRollouts]:
    with RayRollouts(ID, NUM_WORKERS, NUM_ENVS, checkpoint=str(checkpoint), max_episode_steps=3) as rollouts:
        yield rollouts


def go_left(observations: Any) -> Any:
    return np.zeros(len(observations), np.int64)


def test_worlds_are_those_of_one_vector_env(rollouts: RayRollouts, checkpoint: Path) -> None:
    envs = gym.make_vec(ID, rollouts.num_worlds, checkpoint=checkpoint, max_episode_steps=3)
    first, expected = rollouts.reset(seed=5), envs.reset(seed=5)[0]
    assert_near(first, expected)
    batches = rollouts.sample(go_left, NUM_STEPS)
    steps: list[Any] = [envs.step(go_left(first)) for _ in range(NUM_STEPS)]
    assert [batch.worker for batch in batches] == [0, 1]
    assert_near(
        np.concatenate([batch.observations for batch in batches], axis=1)[1:], np.stack([step[0] for step in steps])
    )
    for name, column in (("rewards", 1), ("terminated", 2), ("truncated", 3)):
        found = np.concatenate([getattr(batch, name) for batch in batches], axis=1)
        np.testing.assert_array_equal(found, np.stack([step[column] for step in steps]))
    assert [batch.began.any(axis=1).tolist() for batch in batches] == [[False, False, False, True, False]] * NUM_WORKERS


def assert_near(actual: Any, expected: Any) -> None:
    """Equal up to a grey level, the rounding of another batch size."""
    assert actual.shape == expected.shape
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= 1


def test_worlds_go_on_from_sample_to_sample(rollouts: RayRollouts) -> None:
    rollouts.reset(seed=0)
    whole = rollouts.sample(go_left, 4)
    rollouts.reset(seed=0)
    parts = [rollouts.sample(go_left, 2) for _ in range(2)]
    for worker, batch in enumerate(whole):
        joined = np.concatenate([parts[0][worker].observations[:-1], parts[1][worker].observations])
        np.testing.assert_array_equal(batch.observations, joined)
        np.testing.assert_array_equal(batch.began, np.concatenate([part[worker].began for part in parts]))


def test_spaces_are_one_worlds(rollouts: RayRollouts) -> None:
    assert rollouts.single_observation_space.shape == (*FRAME_SIZE, 3)
    assert rollouts.single_action_space == gym.spaces.Discrete(4)


def test_a_bad_action_is_the_envs_own_error_and_loses_nothing(rollouts: RayRollouts) -> None:
    rollouts.reset(seed=0)
    with pytest.raises(ValueError, match=r"actions\[0\]: action must be"):
        rollouts.sample(lambda observations: [99] * len(observations), 1)
    assert len(rollouts.sample(go_left, 1)) == NUM_WORKERS


@pytest.mark.parametrize("name", ["num_workers", "num_envs"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_bad_numbers_are_refused(name: str, value: Any) -> None:
    given = {"num_workers": 1, "num_envs": 1, name: value}
    with unchecked(), pytest.raises(ValueError, match=f"{name} must be an integer and at least 1, got {value}"):
        RayRollouts(ID, **given)


def test_other_autoreset_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="autoreset_mode must be left out, got 'SameStep'"):
        RayRollouts(ID, 1, 1, num_cpus=0.0, autoreset_mode="SameStep")


def test_what_make_vec_refuses_is_its_own_error() -> None:
    with pytest.raises(ValueError, match="world must be one of"):
        RayRollouts(ID, 1, 1, num_cpus=0.0, world="atlantis")


def test_a_killed_actor_is_one_clear_error(checkpoint: Path) -> None:
    rollouts = RayRollouts(ID, 1, NUM_ENVS, checkpoint=str(checkpoint), num_cpus=0.0)
    ray.kill(rollouts._actors[0])
    with pytest.raises(WorkerLost, match="got one whose process is gone in sample"):
        rollouts.sample(go_left, 1)
    rollouts.close()
    with pytest.raises(ValueError, match=r"must not be called after close\(\)"):
        rollouts.sample(go_left, 1)
