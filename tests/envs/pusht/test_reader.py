"""The pixel reader finds the poses on real frames, and never takes a broken frame for a sound one."""

import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from envs.pusht.drawing import PALETTE, draw
from envs.pusht.physics import WorldPoses
from envs.pusht.reader import TOLERANCE, match, read_state
from envs.pusht.shapes import Pose
from envs.pusht.twin import PushTTwin
from policies.pusht import mixed

BLOCK = Pose(centre=(330.0, 200.0), angle=2.5)
FRAME = draw((100.0, 380.0), BLOCK)


def errors(state: dict[str, Any], true: dict[str, Any]) -> list[float]:
    """Of pusher, block and angle."""
    turn = (state["angle"] - true["angle"] + 180) % 360 - 180
    return [math.dist(state["agent"], true["agent"]), math.dist(state["block"], true["block"]), abs(turn)]


@pytest.mark.parametrize("split", ["train", "test"])
def test_reader_finds_the_poses_over_150_steps_of_mixed_play(split: str) -> None:
    env: Any = gym.make("envs:real/PushT-v0", split=split)
    worst = np.zeros(3)
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        policy = mixed(env, np.random.default_rng(seed))
        for _ in range(30):
            observation, _, terminated, *_ = env.step(policy(observation))
            true, state = env.unwrapped.state(), env.unwrapped.read_state(observation[0])
            assert all(env.unwrapped.match_state(state, true).values())
            worst = np.maximum(worst, errors(state, true))
            if terminated:
                break
    assert (worst < [1.0, 3.0, 5.0]).all()  # workspace pixels, workspace pixels, degrees


def test_reader_bears_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 10, FRAME.shape)
    state = read_state((FRAME + noise).clip(0, 255).astype(np.uint8))
    true = {"agent": [100.0, 380.0], "block": list(BLOCK.centre), "angle": math.degrees(BLOCK.angle)}
    assert state["background"] and (np.array(errors(state, true)) < [2.0, 3.0, 5.0]).all()


def painted(rows: slice, columns: slice, name: str) -> np.ndarray:
    frame = FRAME.copy()
    frame[rows, columns] = PALETTE[name]
    return frame


@pytest.mark.parametrize(
    "frame, missing",
    [
        (painted(slice(44, 51), slice(9, 16), "floor"), {"agent"}),
        (painted(slice(10, 15), slice(10, 15), "agent"), {"agent"}),
        (painted(slice(20, 30), slice(41, 55), "floor"), {"block", "angle"}),
        (painted(slice(10, 16), slice(6, 22), "block"), {"block", "angle"}),
    ],
    ids=["no pusher", "two pushers", "half a block", "more than a block"],
)
def test_broken_things_read_as_none(frame: np.ndarray, missing: set[str]) -> None:
    state = read_state(frame)
    assert {name for name, value in state.items() if value is None} == missing


@pytest.mark.parametrize(
    "frame",
    [painted(slice(24, 42), slice(22, 42), "floor"), painted(slice(0, 64), slice(0, 64), "floor")],
    ids=["no goal", "nothing at all"],
)
def test_missing_background_is_told(frame: np.ndarray) -> None:
    assert not read_state(frame)["background"]


def test_covered_goal_is_no_missing_goal() -> None:
    twin = PushTTwin()
    twin.reset(seed=0)
    twin.simulator.poses = WorldPoses(agent=(60.0, 60.0), block=Pose(centre=(258.0, 256.0), angle=math.pi / 4))
    assert twin.read_state(twin.simulator.frame())["background"]


def test_match_tells_what_differs() -> None:
    true = {"agent": [100.0, 100.0], "block": [200.0, 200.0], "angle": 1.0, "background": True}
    assert all(match(true | {"angle": 359.0, "agent": [100.0 + TOLERANCE["agent"], 100.0]}, true).values())
    differing = {"agent": [109.0, 100.0], "block": None, "angle": None, "background": False}
    assert not any(match(differing, true).values())


@pytest.mark.parametrize("frame", [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.float32), [[0]]])
def test_other_than_a_frame_is_refused(frame: Any) -> None:
    with pytest.raises(ValueError, match=r"frame must be a uint8 array of shape \(64, 64, 3\), got .*; pass one frame"):
        read_state(frame)
