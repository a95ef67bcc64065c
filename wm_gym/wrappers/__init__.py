"""Wrappers between a world of texts and chunks and the libraries and people that want something else.

They fit every env that speaks texts and chunks, learned or real.
"""

from wm_gym.wrappers.discrete_actions import DiscreteActions
from wm_gym.wrappers.last_frame import LastFrame
from wm_gym.wrappers.record_chunks import RecordChunks
from wm_gym.wrappers.reward_function import RewardFunction
from wm_gym.wrappers.uncertainty_stop import UncertaintyStop
from wm_gym.wrappers.vector_reward_function import VectorRewardFunction

__all__ = [
    "DiscreteActions",
    "LastFrame",
    "RecordChunks",
    "RewardFunction",
    "UncertaintyStop",
    "VectorRewardFunction",
]
