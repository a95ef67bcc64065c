"""Wilson's interval."""

import pytest

from wm_gym.evaluation.intervals import wilson_interval


@pytest.mark.parametrize(
    ("successes", "n", "expected"),
    [
        (0, 10, (0.0, 0.2775)),  # values of R's binom.confint(method="wilson")
        (5, 10, (0.2366, 0.7634)),
        (10, 10, (0.7225, 1.0)),
        (497, 500, (0.9825, 0.9980)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilson_interval(successes: int, n: int, expected: tuple[float, float]) -> None:
    assert wilson_interval(successes, n) == pytest.approx(expected, abs=5e-5)
