"""The reader tells the simulator's state from pixels alone, and refuses to make sense of broken frames."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.crafter.reader import SYMBOLS, read_state
from envs.crafter.starts import DAY_STEPS


def make() -> Any:
    """A twin in the middle of a life."""
    return gym.make("envs:real/Crafter-v0", start="midway").unwrapped


def test_reader_reads_the_state_at_every_hour_awake_and_asleep() -> None:
    twin = make()
    rng = np.random.default_rng(0)
    seen = set()
    for seed in range(3):
        twin.reset(seed=seed)
        env = twin.simulator.env
        for step in range(seed, DAY_STEPS, 8):
            env._step = step
            env._player.sleeping = bool(rng.random() < 0.3)
            env._player.inventory["energy"] = 3
            env._player.health = 9
            frame = twin.step(twin.get_action_meanings()[int(rng.integers(17))])[0][0]
            state = twin.state()
            seen.add((state["dark"], state["player"] == "asleep"))
            assert read_state(frame) == state
            twin.simulator.env._player.health = 9
            twin._needs_reset = False
    assert len(seen) == 4


def test_dark_frames_show_the_player_and_the_inventory_only() -> None:
    twin = make()
    twin.reset(seed=0)
    twin.simulator.env._step = 210
    state = read_state(twin.step("wait")[0][0])
    assert (state["dark"], state["materials"], state["creatures"]) == (True, None, None)
    assert state["inventory"] == twin.state()["inventory"] and state["player"] == twin.state()["player"]


def bright_frame() -> np.ndarray:
    twin = gym.make("envs:real/Crafter-v0", start="new").unwrapped
    observation, _ = twin.reset(seed=0)
    return np.array(observation[0])


def test_second_player_is_counted() -> None:
    frame = bright_frame()
    frame[:7, :7] = frame[21:28, 28:35]
    assert read_state(frame)["num_players"] == 2


def test_middle_without_player_reads_as_none() -> None:
    frame = bright_frame()
    frame[21:28, 28:35] = frame[21:28, 35:42]
    state = read_state(frame)
    assert (state["num_players"], state["player"]) == (0, None)


def test_reader_bears_noise() -> None:
    frame = bright_frame()
    noise = np.random.default_rng(0).normal(0, 12, frame.shape)
    assert read_state((frame + noise).clip(0, 255).astype(np.uint8)) == read_state(frame)


def test_materials_have_different_symbols() -> None:
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


@pytest.mark.parametrize("frame", [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3)), [[0]]])
def test_other_than_a_frame_is_refused(frame: Any) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_state(frame)
