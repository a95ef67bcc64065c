"""How often each class was taken for each other: what a score must weigh by class where one of them is rare."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int


@dataclass(frozen=True, kw_only=True, eq=False)
class Confusion:
    """Counts of (true class, predicted class).

    Attributes:
        counts: One row a true class, one column a predicted one.
    """

    counts: Int[np.ndarray, "classes classes"]

    @classmethod
    def of(
        cls, predicted: Int[np.ndarray, " steps"], true: Int[np.ndarray, " steps"], *, num_classes: int
    ) -> "Confusion":
        """Counts the steps of a rollout; classes are numbered from 0."""
        cells = np.bincount(num_classes * true + predicted, minlength=num_classes**2)
        return cls(counts=cells.reshape(num_classes, num_classes))

    def __add__(self, other: "Confusion") -> "Confusion":
        """Adds count by count."""
        return Confusion(counts=self.counts + other.counts)

    @property
    def macro_f1(self) -> float | None:
        """The F1 score averaged over the classes that occur, truly or as predicted; None where there are not two."""
        true, predicted = self.counts.sum(axis=1), self.counts.sum(axis=0)
        occurs = true + predicted > 0
        scores = 2 * np.diag(self.counts)[occurs] / (true + predicted)[occurs]
        return float(scores.mean()) if occurs.sum() > 1 else None
