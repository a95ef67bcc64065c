"""The rewards that a world model chooses among: those of a recording, or fewer that stand for them."""

import numpy as np

from wm_gym.data.dataset import Dataset

MAX_REWARD_VALUES = 64
_MOST_MERGED = 4096  # distinct rewards that are merged pair by pair; more are first taken together in even groups


def reward_values(dataset: Dataset, most: int = MAX_REWARD_VALUES) -> tuple[float, ...]:
    """The distinct rewards of a dataset, sorted, or `most` values that stand for them.

    Neighbours are merged into their mean where that costs least in squared error over all steps (Ward, 1963): a reward
    of most steps keeps a value of its own, and so does one far off that is rare.
    """
    rewards = np.concatenate([dataset[index].rewards for index in range(len(dataset))])
    values, counts = np.unique(rewards.astype(np.float64), return_counts=True)
    if len(values) > _MOST_MERGED > most:
        groups = np.linspace(0, len(values), _MOST_MERGED, endpoint=False).astype(int)
        sums = np.add.reduceat(values * counts, groups)
        counts = np.add.reduceat(counts, groups)
        values = sums / counts
    while len(values) > most:
        costs = counts[:-1] * counts[1:] / (counts[:-1] + counts[1:]) * np.diff(values) ** 2
        left = int(costs.argmin())
        merged = np.average(values[left : left + 2], weights=counts[left : left + 2])
        together = counts[left] + counts[left + 1]
        values, counts = np.delete(values, left + 1), np.delete(counts, left + 1)
        values[left], counts[left] = merged, together
    return tuple(values.tolist())
