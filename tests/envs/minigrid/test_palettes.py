"""The twins in other palettes live by MiniGrid's rules and show them in colours of their own."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs  # noqa: F401  # registers


def negative(frames: np.ndarray) -> np.ndarray:
    return 255 - frames


def shifted(frames: np.ndarray) -> np.ndarray:
    return np.roll(frames, 1, axis=-1)


@pytest.mark.parametrize(
    ("name", "world", "paint"),
    [("MiniGridNegative", "minigrid_negative", negative), ("MiniGridShifted", "minigrid_shifted", shifted)],
)
@pytest.mark.parametrize("seed", range(3))
def test_another_palette_lives_as_minigrid_does(
    name: str, world: str, paint: Callable[[np.ndarray], np.ndarray], seed: int
) -> None:
    both: list[Any] = [gym.make(f"real/{each}-v0").unwrapped for each in ("MiniGrid", name)]
    plain, painted = (env.reset(seed=seed)[0] for env in both)
    rng = np.random.default_rng(seed)
    for _ in range(40):
        np.testing.assert_array_equal(painted, paint(plain))
        assert both[1].read_state(painted[-1]) == both[1].state() == both[0].state()
        text = str(rng.choice(["turn left", "move forward", "pick up", "toggle"]))
        (plain, *ends), (painted, *painted_ends) = (env.step(text) for env in both)
        assert ends[:3] == painted_ends[:3]
    assert [env.world for env in both] == ["minigrid", world]
