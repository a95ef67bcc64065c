"""The random agent films as many steps as it was asked for."""

from pathlib import Path

import imageio.v3 as imageio

from examples.random_agent import main, walk


def test_walk_returns_the_start_and_a_frame_a_step() -> None:
    frames, _ = walk(5, seed=0)
    assert [frame.shape for frame in frames] == [(64, 64, 3)] * 6


def test_main_writes_a_film_of_enlarged_frames(tmp_path: Path) -> None:
    main(["--steps", "3", "--output", str(tmp_path / "random.gif")])
    assert imageio.improps(tmp_path / "random.gif").shape[1:3] == (256, 256)
