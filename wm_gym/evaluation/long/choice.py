"""Step-wise choice: which of k real futures does a dream look like: that of its action, or a distractor?

PAN and WM-ABench show people one true future and three distractors. Here the distractors are the futures that other
actions would really have led to from the same moment, idling among them, and the dream chooses the nearest.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.intervals import wilson_interval
from wm_gym.evaluation.long.sequences import Round

Clip = UInt8[np.ndarray, "steps height width 3"]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Choices counted.

    Attributes:
        right: Those of the true future.
        n: All of them.
        chance: What choosing blindly would score.
    """

    right: int
    n: int
    chance: float

    def to_json(self) -> dict[str, Any]:
        """Returns the share with Wilson's 95 % interval."""
        share = self.right / self.n if self.n else None
        return {
            "share": share,
            "interval": list(wilson_interval(self.right, self.n)),
            "n": self.n,
            "chance": self.chance,
        }


def draw_candidates(played: Round, num_candidates: int, rng: np.random.Generator) -> list[int]:
    """The labels of the futures to choose from: the true one first, then idling, then others at random.

    Fewer than `num_candidates` where fewer actions keep the episode going. Futures that look alike count once.
    """
    idle = len(played.outcomes) - 1
    others = [label for label in rng.permutation(idle).tolist() if label != played.label]
    chosen = [played.label]
    for label in [idle, *others]:
        is_new = all((played.outcomes[label] != played.outcomes[each]).any() for each in chosen)
        if played.valid[label] and is_new and len(chosen) < num_candidates:
            chosen.append(label)
    return chosen


def nearest_future(frames: Clip, futures: UInt8[np.ndarray, "candidates steps height width 3"]) -> int:
    """The number of the future with the least mean squared error; of equals, the last: frozen frames gain nothing."""
    errors = np.square(futures.astype(np.float32) - frames.astype(np.float32)).mean(axis=(1, 2, 3, 4))
    return len(errors) - 1 - int(np.argmin(errors[::-1]))


def step_wise_choice(
    rounds: list[Round], frames: list[Clip], *, num_candidates: int, rng: np.random.Generator
) -> Choices:
    """Lets frames choose their futures.

    Args:
        rounds: What really happened, and what would have.
        frames: What the dream showed in each round.
        num_candidates: Futures to choose from, the true one included.
        rng: Draws the distractors.
    """
    right, chances = 0, []
    for played, shown in zip(rounds, frames, strict=True):
        labels = draw_candidates(played, num_candidates, rng)
        right += nearest_future(shown, played.outcomes[labels]) == 0
        chances.append(1 / len(labels))
    return Choices(right=int(right), n=len(rounds), chance=float(np.mean(chances)) if chances else 0.0)
