"""Revisit consistency: what fraction of a place is as it was, after leaving and coming back.

The place is cut into patches. A patch counts where what is really seen there and what is really seen away from it
differ; it is as it was where the dream's error on coming back is less than half of that difference. A dream that never
left has kept nothing: where it looks more like the start than like the real far end, the trip scores 0.

Where it is known which patches were out of sight for long, those alone count. The far end is then a place that the
dream has never seen and cannot know, so it has left where at least half of them no longer show the place.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

PATCH = 8  # pixels a side
VISIBLE = 4.0  # 8-bit levels: patches that differ less are alike
KEPT = 0.5  # of the difference between the place and the far end

Frame = UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, kw_only=True)
class Revisit:
    """One trip.

    Attributes:
        kept: Fraction of the patches that are as they were.
        left: Whether the dream was away at the far end.
    """

    kept: float
    left: bool

    @property
    def score(self) -> float:
        """What was kept, of a dream that left."""
        return self.kept if self.left else 0.0


@dataclass(frozen=True, kw_only=True)
class RevisitReading:
    """Trips of one length.

    Attributes:
        steps: There and back.
        n: Trips.
        score: Mean of `Revisit.score`.
        kept: Mean fraction kept, whether or not the dream left.
        left: Share of the dreams that left.
    """

    steps: int
    n: int
    score: float
    kept: float
    left: float

    @classmethod
    def of(cls, steps: int, revisits: Sequence[Revisit]) -> "RevisitReading":
        """Sums trips up; at least one."""
        return cls(
            steps=steps,
            n=len(revisits),
            score=float(np.mean([each.score for each in revisits])),
            kept=float(np.mean([each.kept for each in revisits])),
            left=float(np.mean([each.left for each in revisits])),
        )

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        return asdict(self)


def revisit_consistency(
    dream_away: Frame,
    dream_back: Frame,
    *,
    place: Frame,
    away: Frame,
    back: Frame,
    hidden: Bool[np.ndarray, "rows columns"] | None = None,
) -> Revisit:
    """Scores one trip.

    Args:
        dream_away: The dream at the far end.
        dream_back: The dream at the end of the way back.
        place: The real place before.
        away: The real far end.
        back: The real place after.
        hidden: The patches that count; None for all.
    """
    differs = patch_errors(away, back) * (1.0 if hidden is None else hidden)
    chosen = differs >= VISIBLE
    if not chosen.any():
        chosen = differs > 0
    kept = patch_errors(dream_back, back)[chosen] < KEPT * differs[chosen]
    if hidden is None:
        is_away = patch_errors(dream_away, away).sum() < patch_errors(dream_away, place).sum()
    else:
        is_away = np.mean(patch_errors(dream_away, place)[chosen] < KEPT * differs[chosen]) <= 0.5
    return Revisit(kept=float(kept.mean()) if kept.size else 0.0, left=bool(is_away))


def patch_errors(frame: Frame, other: Frame) -> Float[np.ndarray, "rows columns"]:
    """The mean absolute difference of each patch, in 8-bit levels; a rest at the edges is left out."""
    rows, columns = (side // PATCH for side in frame.shape[:2])
    error = np.abs(frame.astype(np.float32) - other.astype(np.float32)).mean(-1)[: rows * PATCH, : columns * PATCH]
    return np.asarray(error.reshape(rows, PATCH, columns, PATCH).mean(axis=(1, 3)))
