"""Distributions over plans: what random shooting draws from, and what the cross-entropy method fits to the best."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from wm_gym.actions import Action
from wm_gym.planning.planner import check_positive, check_vocabulary

FIRST_GUESS = 0.5  # how much of the first distribution is the warm start
LEAST_PROBABILITY = 0.01  # of every text at every step, so that none is ever lost
LEAST_DEVIATION = 0.05


@runtime_checkable
class PlanDistribution(Protocol):
    """Independent actions at each step of a horizon."""

    def sample(self, rng: np.random.Generator, num_plans: int) -> list[list[Action]]:
        """Plans drawn at random."""
        ...

    def refit(self, elites: Sequence[Sequence[Action]], momentum: float) -> "PlanDistribution":
        """The distribution of the elites, with `momentum` of this one left in it."""
        ...

    def fits(self, action: Action) -> bool:
        """Whether it is an action of such plans."""
        ...

    def around(self, plan: Sequence[Action], horizon: int) -> "PlanDistribution":
        """A wide first guess around the beginning of a plan, of any length; the rest is uniform."""
        ...


class CategoricalPlans:
    """A probability of each text at each step.

    Args:
        vocabulary: the texts.
        probabilities: (horizon, texts); None is one step, uniform: `around` makes it as long as it must be.
    """

    def __init__(
        self, vocabulary: Sequence[str], probabilities: Float[np.ndarray, "horizon texts"] | None = None
    ) -> None:
        self.vocabulary = check_vocabulary(vocabulary)
        uniform = np.full((1, len(self.vocabulary)), 1 / len(self.vocabulary))
        self.probabilities = uniform if probabilities is None else probabilities

    def sample(self, rng: np.random.Generator, num_plans: int) -> list[list[Action]]:
        """See `PlanDistribution`."""
        edges = self.probabilities.cumsum(axis=1)
        draws = rng.random((num_plans, len(edges), 1)) * edges[:, -1:]
        numbers = (draws > edges).sum(axis=-1)
        return [[self.vocabulary[number] for number in row] for row in numbers]

    def refit(self, elites: Sequence[Sequence[Action]], momentum: float) -> "CategoricalPlans":
        """See `PlanDistribution`; no text becomes less likely than `LEAST_PROBABILITY`."""
        counts = np.zeros_like(self.probabilities)
        for plan in elites:
            for time, action in enumerate(plan):
                counts[time, self.vocabulary.index(str(action))] += 1 / len(elites)
        mixed = np.maximum(momentum * self.probabilities + (1 - momentum) * counts, LEAST_PROBABILITY)
        return CategoricalPlans(self.vocabulary, mixed / mixed.sum(axis=1, keepdims=True))

    def fits(self, action: Action) -> bool:
        """Whether it is a text of the vocabulary."""
        return isinstance(action, str) and action in self.vocabulary

    def around(self, plan: Sequence[Action], horizon: int) -> "CategoricalPlans":
        """See `PlanDistribution`; texts outside of the vocabulary are left out."""
        probabilities = np.full((horizon, len(self.vocabulary)), 1 / len(self.vocabulary))
        for time, action in enumerate(plan[:horizon]):
            if self.fits(action):
                probabilities[time] *= 1 - FIRST_GUESS
                probabilities[time, self.vocabulary.index(str(action))] += FIRST_GUESS
        return CategoricalPlans(self.vocabulary, probabilities)


class GaussianPlans:
    """Independent normal numbers in [-1, 1] at each step, clipped there.

    Args:
        num_controls: numbers of an action, at least 1.
        mean: (horizon, controls); None is one step of zeros.
        deviation: (horizon, controls); None is ones.
    """

    def __init__(
        self,
        num_controls: int,
        mean: Float[np.ndarray, "horizon controls"] | None = None,
        deviation: Float[np.ndarray, "horizon controls"] | None = None,
    ) -> None:
        check_positive(num_controls=num_controls)
        self.num_controls = num_controls
        self.mean = np.zeros((1, num_controls)) if mean is None else mean
        self.deviation = np.ones_like(self.mean) if deviation is None else deviation

    def sample(self, rng: np.random.Generator, num_plans: int) -> list[list[Action]]:
        """See `PlanDistribution`."""
        draws = self.mean + self.deviation * rng.standard_normal((num_plans, *self.mean.shape))
        return [list(plan) for plan in np.clip(draws, -1, 1).astype(np.float32)]

    def refit(self, elites: Sequence[Sequence[Action]], momentum: float) -> "GaussianPlans":
        """See `PlanDistribution`; no deviation becomes less than `LEAST_DEVIATION`."""
        best = np.asarray(elites, np.float64)
        mean = momentum * self.mean + (1 - momentum) * best.mean(axis=0)
        deviation = momentum * self.deviation + (1 - momentum) * best.std(axis=0)
        return GaussianPlans(self.num_controls, mean, np.maximum(deviation, LEAST_DEVIATION))

    def fits(self, action: Action) -> bool:
        """Whether it is `num_controls` numbers."""
        return not isinstance(action, str) and np.shape(action) == (self.num_controls,)

    def around(self, plan: Sequence[Action], horizon: int) -> "GaussianPlans":
        """See `PlanDistribution`; what is not `num_controls` numbers is left out."""
        mean, deviation = np.zeros((horizon, self.num_controls)), np.ones((horizon, self.num_controls))
        for time, action in enumerate(plan[:horizon]):
            if self.fits(action):
                mean[time], deviation[time] = action, FIRST_GUESS
        return GaussianPlans(self.num_controls, mean, deviation)
