"""The laws of the Balls world."""

import numpy as np
import pytest

from envs.balls.laws import FREE_STEPS, LAWS, SPEEDS, Ball, Balls, advance, draw_start, gravity_of


def energy(balls: tuple[Ball, ...], gravity: float) -> float:
    return sum(b.radius**2 * (0.5 * float(np.dot(b.velocity, b.velocity)) - gravity * b.place[1]) for b in balls)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("speeds", SPEEDS)
def test_start_is_free_of_walls_and_in_its_range(law: str, speeds: str) -> None:
    balls = draw_start(law, speeds, "train", np.random.default_rng(0))
    low, high = SPEEDS[speeds]
    assert all(low <= float(np.hypot(*ball.velocity)) <= high for ball in balls)
    met = 0
    for _ in range(FREE_STEPS):
        balls, walls, meets = advance(balls, gravity_of(law))
        assert not walls
        met += meets
    assert (met > 0) == (law == "collision")


@pytest.mark.parametrize("law", LAWS)
def test_energy_is_kept_even_at_walls(law: str) -> None:
    balls = draw_start(law, "trained", "train", np.random.default_rng(1))
    before = energy(balls, gravity_of(law))
    for _ in range(60):
        balls, _, _ = advance(balls, gravity_of(law))
    assert energy(balls, gravity_of(law)) == pytest.approx(before, rel=0.02, abs=0.02)


def test_head_on_collision_of_equals_swaps_velocities() -> None:
    balls: Balls = (
        Ball(place=(3.0, 5.0), velocity=(2.0, 0.0), radius=1.0),
        Ball(place=(6.0, 5.0), velocity=(-3.0, 0.0), radius=1.0),
    )
    for _ in range(5):
        balls, _, _ = advance(balls, 0.0)
    assert [ball.velocity[0] for ball in balls] == pytest.approx([-3.0, 2.0])


def test_splits_share_no_radius() -> None:
    for split in ("train", "test"):
        starts = [draw_start("uniform", "trained", split, np.random.default_rng(seed)) for seed in range(10)]
        assert {int(balls[0].radius * 100) % 5 == 0 for balls in starts} == {split == "test"}
