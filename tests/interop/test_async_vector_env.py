"""Dreams in processes of their own, under Gymnasium's `AsyncVectorEnv`: a worker that is killed hangs nothing."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AsyncVectorEnv

from tests.worlds import FRAME_SIZE

NUM_WORLDS = 2
PATIENCE = 60  # seconds; far more than an answer takes


def make(checkpoint: str) -> gym.Env[object, object]:
    """A dream; the worker is a fresh process, so it registers the ids itself."""
    return gym.make("wm_gym:wm_gym/WorldDiscrete-v0", checkpoint=checkpoint)


@pytest.fixture
def envs(checkpoint: Path) -> Iterator[AsyncVectorEnv]:
    envs = AsyncVectorEnv([partial(make, str(checkpoint))] * NUM_WORLDS, context="spawn", shared_memory=False)
    processes = list(envs.processes)
    yield envs
    for process in processes:
        process.kill()
        process.join(PATIENCE)


def test_a_killed_worker_is_an_error_at_once_and_the_others_can_be_closed(envs: AsyncVectorEnv) -> None:
    observations, _ = envs.reset(seed=0)
    assert observations.shape == (NUM_WORLDS, *FRAME_SIZE, 3)
    envs.step(np.zeros(NUM_WORLDS, np.int64))
    lost, left = envs.processes
    lost.kill()
    lost.join(PATIENCE)
    began = time.monotonic()
    with pytest.raises(BrokenPipeError):  # gymnasium's own
        envs.step(np.zeros(NUM_WORLDS, np.int64))
    envs.close(terminate=True)
    assert time.monotonic() - began < PATIENCE
    assert not left.is_alive()
    assert envs.closed
