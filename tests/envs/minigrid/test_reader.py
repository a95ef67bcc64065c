"""The pixel reader equals the simulator's state on real frames, and never takes a broken frame for a sound one."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.layouts import GENERATORS
from envs.minigrid.reader import _templates, read_state, read_tiles
from envs.minigrid.twin import MiniGridTwin
from policies.minigrid import mixed


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("layout", list(GENERATORS))
def test_reader_equals_the_true_state_over_300_steps_of_mixed_play(layout: str, split: str) -> None:
    env: Any = gym.make("envs:real/MiniGrid-v0", layout=layout, split=split)
    observation, _ = env.reset(seed=0)
    policy = mixed(env, np.random.default_rng(0))
    for _ in range(300):  # 10 cases: 3,000 frames
        assert env.unwrapped.read_state(observation[0]) == env.unwrapped.state()
        observation, _, terminated, truncated, _ = env.step(policy(observation))
        assert env.unwrapped.read_state(observation[0]) == env.unwrapped.state()
        if terminated or truncated:
            observation, _ = env.reset()


def test_every_tile_reads_as_itself() -> None:
    _, templates = _templates()
    for start in range(0, len(templates), 64):
        codes = (np.arange(64) + start) % len(templates)
        tiles = templates[codes].reshape(8, 8, 8, 8, 3).swapaxes(1, 2).reshape(64, 64, 3).astype(np.uint8)
        np.testing.assert_array_equal(read_tiles(tiles), codes)


def test_reader_covers_all_71_tiles() -> None:
    tiles, templates = _templates()
    assert len(set(tiles)) == len(tiles) == len(np.unique(templates, axis=0)) == 71


def test_reader_bears_noise() -> None:
    twin = MiniGridTwin(layout="rooms")
    frame = twin.reset(seed=0)[0][0]
    noise = np.random.default_rng(0).normal(0, 25, frame.shape)
    noisy = (frame + noise).clip(0, 255).astype(np.uint8)
    assert read_state(noisy) == twin.state()


def with_tile(frame: np.ndarray, cell: tuple[int, int], source: tuple[int, int]) -> np.ndarray:
    """A copy of `frame` whose tile at `cell` is the one at `source`."""
    (x, y), (u, v) = cell, source
    frame = frame.copy()
    frame[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] = frame[v * 8 : v * 8 + 8, u * 8 : u * 8 + 8]
    return frame


def test_two_agents_are_counted_and_none_is_placed() -> None:
    twin = MiniGridTwin()
    frame = twin.reset(seed=0)[0][0]
    x, y = twin.state()["agent"]
    state = read_state(with_tile(frame, (7, 7), (x, y)))
    assert (state["num_agents"], state["agent"], state["direction"]) == (2, None, None)


def test_no_agent_reads_as_none() -> None:
    twin = MiniGridTwin()
    frame = twin.reset(seed=0)[0][0]
    x, y = twin.state()["agent"]
    state = read_state(with_tile(frame, (x, y), (7, 7)))
    assert (state["num_agents"], state["agent"]) == (0, None)


def test_second_goal_does_not_read_as_one() -> None:
    twin = MiniGridTwin(layout="empty")
    frame = twin.reset(seed=0)[0][0]
    goal = twin.state()["goal"]
    x, y = map(int, goal.split(","))
    assert read_state(with_tile(frame, (7, 7), (x, y)))["goal"] == f"{goal} 7,7"


def test_wall_in_the_inventory_is_no_empty_hand() -> None:
    twin = MiniGridTwin()
    frame = twin.reset(seed=0)[0][0]
    assert read_state(with_tile(frame, (0, 0), (7, 7)))["carried"] == "wall"


@pytest.mark.parametrize(
    "frame",
    [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.float32), [[0]]],
    ids=["chunk", "float", "list"],
)
def test_other_than_a_frame_is_refused(frame: object) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_state(frame)  # type: ignore[arg-type]
