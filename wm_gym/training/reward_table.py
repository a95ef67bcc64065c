"""The rewards that a world model chooses among: those of a recording, or fewer that stand for them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError

MAX_REWARD_VALUES = 64


@dataclass(frozen=True, kw_only=True)
class RewardTable:
    """The rewards of a world.

    Attributes:
        values: those that stand for all of them, sorted.
        extremes: the smallest and the largest of all.
    """

    values: tuple[float, ...]
    extremes: tuple[float, float]


def reward_table(dataset: Dataset, most: int = MAX_REWARD_VALUES) -> RewardTable:
    """The distinct rewards of a dataset, or `most` values, at least 1, that stand for them.

    Neighbours are merged into their mean where that costs least in squared error over all steps (Ward, 1963): a reward
    of many steps keeps a value of its own, and so does one far off that is rare.

    Raises:
        DatasetError: a reward that is not finite.
    """
    rewards = np.concatenate([dataset[index].rewards for index in range(len(dataset))])
    if not np.isfinite(rewards).all():
        raise DatasetError(
            f"rewards of {dataset.folder} must be finite, got {rewards[~np.isfinite(rewards)][0]}; mend the env that "
            "paid them and record anew"
        )
    values, counts = np.unique(rewards.astype(np.float64), return_counts=True)
    extremes = float(values[0]), float(values[-1])
    while len(values) > most:
        values, counts = _merged(values, counts, len(values) - most)
    return RewardTable(values=tuple(values.tolist()), extremes=extremes)


def _merged(
    values: Float64[np.ndarray, "n"], counts: Int64[np.ndarray, "n"], surplus: int
) -> tuple[Float64[np.ndarray, "m"], Int64[np.ndarray, "m"]]:
    """Merges the cheapest neighbours: one pair where few are left to merge, else a tenth of the surplus at once."""
    costs = counts[:-1] * counts[1:] / (counts[:-1] + counts[1:]) * np.diff(values) ** 2
    fenced = np.concatenate([[np.inf], costs, [np.inf]])
    cheaper = np.flatnonzero((costs < fenced[:-2]) & (costs <= fenced[2:]))  # than those beside it: no value twice
    left = cheaper[np.argsort(costs[cheaper], kind="stable")[: max(1, surplus // 10)]]
    sums = values * counts
    sums[left] += sums[left + 1]
    values, counts = values.copy(), counts.copy()
    counts[left] += counts[left + 1]
    values[left] = sums[left] / counts[left]
    return np.delete(values, left + 1), np.delete(counts, left + 1)
