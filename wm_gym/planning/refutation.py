"""What the world has shown to be otherwise than imagined, so that no plan counts on it twice."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8

from wm_gym.actions import Action
from wm_gym.planning.novelty import PatchCodes


@dataclass(frozen=True, kw_only=True, eq=False)
class Refutation:
    """A step that the model dreamed one way and the world took another.

    Attributes:
        frame: what was seen before it.
        action: what was done.
        patch: pixels a side of the patches that frames are compared by.
        tolerance: how far equal patches may differ, root mean square in grey levels.
    """

    frame: UInt8[np.ndarray, "height width 3"]
    action: Action
    patch: int = 8
    tolerance: float = 10.0


def find_refuted(
    refutations: Sequence[Refutation],
    frames: UInt8[np.ndarray, "batch height width 3"],
    actions: Sequence[Action],
) -> Bool[np.ndarray, " batch"]:
    """Which of these steps have been refuted: the same action at the same sight.

    Args:
        refutations: of steps in this world.
        frames: what is seen before each step.
        actions: what is done in each.
    """
    refuted = np.zeros(len(frames), bool)
    for each in refutations:
        rows = [row for row, action in enumerate(actions) if np.array_equal(action, each.action)]
        if rows:
            codes = PatchCodes(each.patch, each.tolerance).encode(np.concatenate([each.frame[None], frames[rows]]))
            refuted[rows] |= (codes[1:] == codes[0]).all(axis=1)
    return refuted
