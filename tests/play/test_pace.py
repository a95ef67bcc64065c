"""Steps a second."""

import pytest

from wm_gym.play.pace import Pace


def test_the_last_seconds_count() -> None:
    pace = Pace()
    for hundredth in range(0, 1000, 10):  # ten a second for ten seconds
        pace.count(hundredth / 100)
    assert pace.per_second(10.0) == pytest.approx(10, abs=0.5)
    assert pace.per_second(11.0) == pytest.approx(5, abs=0.5)
    assert pace.per_second(20.0) == 0
