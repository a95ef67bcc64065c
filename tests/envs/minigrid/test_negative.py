"""The negative twin lives by MiniGrid's rules and shares none of its colours."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401  # registers


@pytest.mark.parametrize("seed", range(5))
def test_the_negative_lives_as_minigrid_does(seed: int) -> None:
    both: list[Any] = [gym.make(f"real/{name}-v0").unwrapped for name in ("MiniGrid", "MiniGridNegative")]
    positive, negative = (env.reset(seed=seed)[0] for env in both)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        np.testing.assert_array_equal(negative, 255 - positive)
        assert both[1].read_state(negative[-1]) == both[1].state() == both[0].state()
        text = str(rng.choice(["turn left", "move forward", "pick up", "toggle"]))
        (positive, *ends), (negative, *negative_ends) = (env.step(text) for env in both)
        assert ends[:3] == negative_ends[:3]
    assert [env.world for env in both] == ["minigrid", "minigrid_negative"]
