"""The reader of views equals the simulator on real frames, and never takes a broken frame for a sound one."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.minigrid.view import MiniGridViewTwin
from envs.minigrid.view_reader import read_tile_names, read_view, tile_templates
from policies.minigrid.view import mixed


@pytest.mark.parametrize("split", ["train", "test"])
def test_reader_equals_the_true_state_over_500_steps_of_mixed_play(split: str) -> None:
    env: Any = gym.make("envs:real/MiniGridView-v0", split=split)
    observation, _ = env.reset(seed=0)
    policy, start = mixed(env, np.random.default_rng(0)), env.unwrapped.state()
    for _ in range(500):
        observation, _, _, truncated, _ = env.step(policy(observation))
        state = env.unwrapped.read_state(observation[0])
        assert state == env.unwrapped.state() and env.unwrapped.is_valid(start, state)
        if truncated:
            observation, _ = env.reset()


def tiled(codes: np.ndarray) -> np.ndarray:
    """A frame of 49 tiles of the templates."""
    frame = np.zeros((64, 64, 3), np.uint8)
    tiles = tile_templates()[1][codes].reshape(7, 7, 8, 8, 3)
    frame[:56, :56] = tiles.swapaxes(1, 2).reshape(56, 56, 3)
    return frame


def test_all_30_tiles_are_distinct_pictures_and_read_as_themselves() -> None:
    names, tiles = tile_templates()
    assert len(set(names)) == len(np.unique(tiles, axis=0)) == 30
    codes = np.arange(49) % 30
    assert read_tile_names(tiled(codes)) == [names[code] for code in codes]


def test_reader_bears_noise() -> None:
    twin = MiniGridViewTwin()
    frame = twin.reset(seed=0)[0][0]
    noise = np.random.default_rng(0).normal(0, 15, frame.shape)
    assert read_view((frame + noise).clip(0, 255).astype(np.uint8)) == twin.state()


def broken(twin: MiniGridViewTwin, x: int, y: int, tile: np.ndarray) -> dict[str, Any]:
    """What the first frame reads as with another tile (8, 8, 3) at a place."""
    frame = twin.reset(seed=0)[0][0].copy()
    frame[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] = tile
    return read_view(frame)


def test_second_agent_and_none_are_told() -> None:
    twin = MiniGridViewTwin()
    agent = twin.reset(seed=0)[0][0][48:56, 24:32].copy()
    two, none = broken(twin, 0, 0, agent), broken(twin, 3, 6, np.zeros((8, 8, 3), np.uint8))
    assert (two["num_agents"], two["agent"], two["direction"]) == (2, None, None)
    assert (none["num_agents"], none["agent"], none["direction"]) == (0, None, None)
    assert not twin.is_valid(twin.state(), two) and not twin.is_valid(twin.state(), none)


def test_tile_like_no_other_is_unreadable() -> None:
    twin = MiniGridViewTwin()
    state = broken(twin, 2, 1, np.full((8, 8, 3), (255, 0, 255), np.uint8))
    assert state["view"]["2,1"] == "?" and not twin.is_valid(twin.state(), state)


@pytest.mark.parametrize(
    "frame",
    [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.float32), [[0]]],
    ids=["chunk", "float", "list"],
)
def test_other_than_a_frame_is_refused(frame: object) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_view(frame)  # type: ignore[arg-type]
