"""How far two sets of frames are apart in distribution: the normalised energy statistic of their descriptors."""

import numpy as np
from jaxtyping import Float, UInt8

from wm_gym.evaluation.long.descriptors import describe


def feature_distance(
    frames: UInt8[np.ndarray, "some height width 3"], others: UInt8[np.ndarray, "more height width 3"]
) -> float:
    """1 - (E|x-x'| + E|y-y'|) / (2 E|x-y|) over descriptors x of `frames` and y of `others`.

    After Szekely and Rizzo, Energy statistics, J. Stat. Plan. Inference 143 (2013), equation 6.1 on: 0 where the two
    are the same distribution, 1 where each is a point of its own. With n frames each it is about 1/n too high. One
    frame repeated is far from real frames, and so is noise; the order of frames does not count.

    Returns:
        The distance in [0, 1]; 0 where all frames are equal.
    """
    own, other = describe(frames), describe(others)
    between = _mean_distance(own, other)
    if between == 0:
        return 0.0
    return float(1 - (_mean_distance(own, own) + _mean_distance(other, other)) / (2 * between))


def _mean_distance(own: Float[np.ndarray, "some features"], other: Float[np.ndarray, "more features"]) -> float:
    squares = (own**2).sum(1)[:, None] + (other**2).sum(1)[None] - 2 * own @ other.T
    return float(np.sqrt(np.maximum(squares, 1e-12) * (squares > 1e-8)).mean())
