"""What a PushT agent that knows no goal would do, and how near the T is to it: all from what a frame shows."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, UInt8

from envs.pusht.actions import NUMBERS
from envs.pusht.physics import WorldPoses
from envs.pusht.reader import read_state
from envs.pusht.shapes import Pose
from policies.pusht.behaviours import draw_pushes, random_move
from policies.pusht.expert import distance_to_goal
from policies.pusht.routes import Move

SCALE = 60.0  # workspace pixels
MISFIT = 1.0  # dreamt things are blurred: see `envs.pusht.reader.read_state`

_TEXTS = {move: text for text, move in NUMBERS.items()}


def push_texts(frame: UInt8[np.ndarray, "height width 3"], num_plans: int, rng: np.random.Generator) -> list[list[str]]:
    """Plans for `wm_gym.planning.BestOfN`: a way around the T and a push of some steps, drawn as `Explorer` does.

    Where the frame shows no pusher or no T, a single step at random.
    """
    poses = read_poses(frame)
    plans: Sequence[list[Move]] = [] if poses is None else draw_pushes(rng, poses, num_plans)
    if not plans:
        plans = [[random_move(rng, fine=False)] for _ in range(num_plans)]
    return [[_TEXTS[move] for move in plan] for plan in plans]


def nearness(frames: UInt8[np.ndarray, "batch height width 3"], text: str) -> Float32[np.ndarray, " batch"]:
    """A critic for `wm_gym.planning.TextGoal`: how near the T is to the goal, whatever the text says.

    It is exp(-distance / `SCALE`), with the mean distance of the T's corners from their places, in workspace pixels; 0
    where a frame shows no T.
    """
    poses = [read_poses(frame) for frame in frames]
    scores = [0.0 if each is None else math.exp(-distance_to_goal(each.block) / SCALE) for each in poses]
    return np.asarray(scores, np.float32)


def read_poses(frame: UInt8[np.ndarray, "height width 3"]) -> WorldPoses | None:
    """The poses that a frame shows; None where the pusher or the T is missing."""
    state = read_state(frame, MISFIT)
    if state["agent"] is None or state["block"] is None:
        return None
    x, y = state["agent"]
    block_x, block_y = state["block"]
    return WorldPoses(agent=(x, y), block=Pose(centre=(block_x, block_y), angle=math.radians(state["angle"])))
