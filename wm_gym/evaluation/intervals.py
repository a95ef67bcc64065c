"""Confidence intervals of a proportion."""

from math import sqrt

_Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Returns Wilson's 95 % score interval of `successes` out of `n`.

    Args:
        successes: At most `n`.
        n: Number of trials; 0 gives (0, 1).

    Returns:
        Lower and upper bound, in [0, 1].
    """
    if n == 0:
        return 0.0, 1.0
    share = successes / n
    scale = 1.0 + _Z**2 / n
    centre = (share + _Z**2 / (2 * n)) / scale
    half = _Z / scale * sqrt(share * (1.0 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)
