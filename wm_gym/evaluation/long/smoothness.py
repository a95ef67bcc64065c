"""Transition smoothness as WR-Arena defines it: fast motion that does not jerk.

Their score of a round is median(v) exp(-lambda median(a)) with v = |flow| over all pixels of all pairs of frames,
a = |v_t - v_{t-1}|, lambda = 1 (`compute_smoothness_scores.py` of MBZUAI-IFM/WR-Arena at 7b3e4af; their flow is
SEA-RAFT's). Three things to know: it is unbounded and in pixels, so a fast even pan scores best; where most pixels
stand still it is 0 by definition; and noise scores too, since any flow is found in it. So it is read as a ratio to real
frames, its median can be taken over the moving pixels alone, and it can be weighed by what the flow explains.
"""

from dataclasses import dataclass

import numpy as np

from wm_gym.evaluation.long.optical_flow import Flows

MOVING = 0.05  # pixels a frame: slower is standing still


@dataclass(frozen=True, kw_only=True)
class Smoothness:
    """The score of one round.

    Attributes:
        score: speed * exp(-weight * jerk).
        speed: Median speed, pixels a frame.
        jerk: Median change of speed, pixels a frame squared.
    """

    score: float
    speed: float
    jerk: float


def transition_smoothness(flows: Flows, *, weight: float = 1.0, least_speed: float = 0.0) -> Smoothness:
    """Scores one round.

    Args:
        flows: Between its successive frames.
        weight: Of the jerk: lambda.
        least_speed: Pixels that are never faster are left out; 0 is WR-Arena's score, `MOVING` looks at what moves.

    Returns:
        The score; all 0 where nothing moves.
    """
    speeds = np.hypot(flows[:, 0], flows[:, 1])  # (pairs, height, width)
    jerks = np.concatenate([np.zeros_like(speeds[:1]), np.abs(np.diff(speeds, axis=0))])  # theirs: the first is 0
    chosen = speeds.max(axis=0) >= least_speed
    if not chosen.any():
        return Smoothness(score=0.0, speed=0.0, jerk=0.0)
    speed, jerk = float(np.median(speeds[:, chosen])), float(np.median(jerks[:, chosen]))
    return Smoothness(score=speed * float(np.exp(-weight * jerk)), speed=speed, jerk=jerk)
