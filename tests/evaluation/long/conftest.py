"""Real walks, sequences and trips, collected once.

The imports stand inside the fixtures: pytest reads this file before jaxtyping's import hook is in place.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from wm_gym.evaluation.long.sequences import ActionSequence
    from wm_gym.evaluation.long.walks import LongWalk
    from wm_gym.evaluation.probes import Vocabulary
    from wm_gym.evaluation.twin import Env

BALLS = "envs.balls:real/Balls-v0"
RANDOM = "wm_gym.data.recording:random_policy"
STEP = 8


@pytest.fixture(scope="session")
def balls_env() -> "Iterator[Env]":
    """Balls on held-out starts."""
    from wm_gym.evaluation.twin import make_twin

    env = make_twin(BALLS, split="test")
    yield env
    env.close()


@pytest.fixture(scope="session")
def rolling(balls_env: "Env") -> list[np.ndarray]:
    """Six frames each of four throws, which move on every pixel of a ball."""
    from wm_gym.evaluation.long.falls import collect_falls

    falls = collect_falls(balls_env, law="uniform", speeds="trained", num_falls=4, seed=2)
    return [fall.frames[:6] for fall in falls]


@pytest.fixture(scope="session")
def walks(twin_env: "Env") -> "list[LongWalk]":
    """Four walks in MiniGrid."""
    from wm_gym.evaluation.long.walks import collect_walk
    from wm_gym.evaluation.rollouts import Lead

    policy = "policies.minigrid:explorer"
    return [collect_walk(twin_env, policy, seed=seed, keep=(4, STEP), lead=Lead()) for seed in range(4)]


@pytest.fixture(scope="session")
def others(twin_env: "Env") -> "list[LongWalk]":
    """Other walks in the same layouts."""
    from wm_gym.evaluation.long.walks import collect_walk
    from wm_gym.evaluation.rollouts import Lead

    policy = "policies.minigrid:explorer"
    return [
        collect_walk(twin_env, policy, seed=seed, keep=(4, STEP), lead=Lead(), policy_stream=2) for seed in range(4)
    ]


@pytest.fixture(scope="session")
def vocabulary(twin_env: "Env") -> "Vocabulary":
    """MiniGrid's actions."""
    from wm_gym.evaluation.probes import Vocabulary

    return Vocabulary.of(twin_env)


@pytest.fixture(scope="session")
def sequences(twin_env: "Env", vocabulary: "Vocabulary") -> "list[ActionSequence]":
    """Six sequences of two actions in MiniGrid."""
    from wm_gym.evaluation.long.sequences import collect_sequences

    return collect_sequences(twin_env, "policies.minigrid:mixed", vocabulary, num_sequences=6, num_rounds=2, seed=0)
