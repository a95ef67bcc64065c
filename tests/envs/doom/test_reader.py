"""Reading TakeCover from pixels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from envs.doom.reader import draw_health, read_state
from envs.doom.twin import TakeCoverTwin


@pytest.fixture(scope="module")
def hall() -> Iterator[Any]:
    twin = TakeCoverTwin()
    yield twin
    twin.close()


@pytest.mark.parametrize("health", [0.0, 16.0, 58.0, 100.0])
def test_health_is_read_off_its_bar(health: float) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    draw_health(frame, health)
    assert read_state(frame)["health"] == pytest.approx(health, abs=100 / 64)


def test_any_health_at_all_shows() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    draw_health(frame, 0.5)
    assert read_state(frame)["health"] > 0


def test_position_is_read_all_over_the_hall(hall: Any) -> None:
    positions, errors = [], []
    for seed, text in enumerate(["move left", "move right"] * 4):
        observation, _ = hall.reset(seed=seed)
        terminated = False
        while not terminated and hall.simulator.num_steps < 24:
            positions.append(hall.state()["position"])
            errors.append(abs(read_state(observation[0])["position"] - positions[-1]))
            observation, _, terminated, *_ = hall.step(text)
    assert min(positions) < 50 and max(positions) > 718
    assert np.median(errors) < 5 and np.mean(np.array(errors) < 20) > 0.9


def test_frame_full_of_fire_reads_as_somewhere() -> None:
    assert 0 < read_state(np.full((64, 64, 3), 255, np.uint8))["position"] < 768
