"""Real rollouts of the twin, collected once, and a checkpoint with random weights.

The imports stand inside the fixtures: pytest reads this file before jaxtyping's import hook is in place.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from wm_gym.evaluation.probes import Probes
    from wm_gym.evaluation.rollouts import RealRollout
    from wm_gym.evaluation.states import StateReader
    from wm_gym.evaluation.twin import Env
    from wm_gym.world_model import WorldModel

HORIZON = 16


@pytest.fixture(scope="session")
def twin_env() -> "Iterator[Env]":
    """The real twin on held-out layouts."""
    from wm_gym.evaluation.twin import make_twin

    env = make_twin("envs:real/MiniGrid-v0", split="test")
    yield env
    env.close()


@pytest.fixture(scope="session")
def reader(twin_env: "Env") -> "StateReader":
    """Reads the twin's states."""
    from wm_gym.evaluation.states import reader_of

    found = reader_of(twin_env, "minigrid")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def explored(twin_env: "Env") -> "list[RealRollout]":
    """Rollouts of the explorer, each of `HORIZON` steps."""
    from wm_gym.evaluation.rollouts import collect_rollout

    return [collect_rollout(twin_env, "policies.minigrid:explorer", seed=seed, horizon=HORIZON) for seed in range(8)]


@pytest.fixture(scope="session")
def solved(twin_env: "Env") -> "RealRollout":
    """A rollout of the expert that reaches the goal before 64 steps."""
    from wm_gym.evaluation.rollouts import collect_rollout

    seeds = range(20)
    rollouts = (collect_rollout(twin_env, "policies.minigrid:expert", seed=seed, horizon=64) for seed in seeds)
    return next(rollout for rollout in rollouts if rollout.terminated.any() and rollout.num_steps > 1)


@pytest.fixture(scope="session")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> "WorldModel":
    """A world model of the twin that knows nothing."""
    from tests.evaluation.untrained import untrained

    return untrained(tmp_path_factory.mktemp("random"), "minigrid")


@pytest.fixture(scope="session")
def moving_model(tmp_path_factory: pytest.TempPathFactory) -> "WorldModel":
    """A world model that knows nothing and looks at two past frames."""
    from tests.evaluation.untrained import untrained

    return untrained(tmp_path_factory.mktemp("moving"), "minigrid", past_frames=2)


@pytest.fixture(scope="session")
def general_model(tmp_path_factory: pytest.TempPathFactory) -> "WorldModel":
    """A world model of MiniGrid and Pong that knows nothing."""
    from tests.evaluation.untrained import untrained

    return untrained(tmp_path_factory.mktemp("general"), "minigrid", "pong")


@pytest.fixture(scope="session")
def probes(twin_env: "Env") -> "Probes":
    """Four probes an action."""
    from wm_gym.evaluation.probes import collect_probes

    return collect_probes(twin_env, "policies.minigrid:mixed", num_probes=28, seed=3)
