"""Two futures of one moment share their past."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np

from examples.fork import PAST, live, main
from wm_gym import WorldModelEnv


def test_living_the_same_future_twice_is_bit_exact() -> None:
    world = WorldModelEnv("minigrid")
    world.reset(seed=3)
    saved = world.clone_state()
    first, second = (live(world, saved, ["turn left", "move forward"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_both_halves_of_the_film_agree_until_the_fork(tmp_path: Path) -> None:
    main(["--output", str(tmp_path / "fork.gif")])
    film = imageio.imread(tmp_path / "fork.gif", index=None)
    left, right = np.split(film[: len(PAST) + 1, ..., :3], 2, axis=2)
    np.testing.assert_array_equal(left, right)
