"""What a PushT agent makes of a frame: plans of pushes, and how near the T is to its goal."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import envs
from envs.pusht.actions import NUMBERS
from envs.pusht.physics import WorldPoses
from envs.pusht.shapes import GOAL, Pose
from policies.pusht.expert import distance_to_goal
from policies.pusht.proposals import SCALE, nearness, push_texts, read_poses

assert envs  # registers


def make() -> Any:
    """A twin; `Any`, since Gymnasium types `unwrapped` as its base."""
    return gym.make("envs:real/PushT-v0", split="test")


@pytest.mark.parametrize("seed", range(4))
def test_proposed_plans_push_the_block(seed: int) -> None:
    env = make()
    observation, _ = env.reset(seed=seed)
    plans = push_texts(observation[-1], 8, np.random.default_rng(seed))
    assert len(plans) == 8 and {text for plan in plans for text in plan} <= set(NUMBERS)
    saved, moved = env.unwrapped.simulator.clone(), 0
    for plan in plans:
        env.unwrapped.simulator.restore(saved)
        before = env.unwrapped.state()["block"]
        for text in plan:
            env.step(text)
        moved += float(np.hypot(*np.subtract(env.unwrapped.state()["block"], before))) > 1
    assert moved >= 7  # the reader may be off by a workspace pixel, and a push glance off


def test_nearness_falls_with_the_distance_to_the_goal() -> None:
    env = make()
    env.reset(seed=0)
    frames, true = [], []
    for shift, turn in ((0.0, 0.0), (20.0, 0.0), (40.0, 0.3), (80.0, 1.0), (100.0, 3.0)):
        block = Pose(centre=(GOAL.centre[0] + shift, GOAL.centre[1]), angle=GOAL.angle + turn)
        env.unwrapped.simulator.poses = WorldPoses(agent=(60.0, 60.0), block=block)
        frames.append(env.unwrapped.simulator.frame())
        true.append(np.exp(-distance_to_goal(block) / SCALE))
    scores = nearness(np.stack(frames), "the T is on the goal")
    np.testing.assert_allclose(scores, true, atol=0.05)
    assert (np.diff(scores) < 0).all() and scores[0] > 0.95


def test_frame_without_a_block_is_worth_nothing_and_moves_at_random() -> None:
    blank = np.full((64, 64, 3), 255, np.uint8)
    assert read_poses(blank) is None
    assert nearness(blank[None], "").tolist() == [0.0]
    plans = push_texts(blank, 16, np.random.default_rng(0))
    assert [len(plan) for plan in plans] == [1] * 16 and len({plan[0] for plan in plans}) > 4
