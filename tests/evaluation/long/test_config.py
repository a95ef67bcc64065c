"""What a long evaluation may be asked."""

import pytest

from wm_gym.evaluation.long.config import LongConfig


def test_drift_is_read_by_decades_and_at_the_end() -> None:
    assert LongConfig(long_steps=10000).read_at == (10, 30, 100, 300, 1000, 3000, 10000)
    assert LongConfig(long_steps=64).read_at == (10, 30, 64)
    assert LongConfig(long_steps=10).read_at == (10,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"long_steps": 9}, "long_steps must be at least 10, got 9"),
        ({"long_rollouts": 1}, "long_rollouts must be at least 2, got 1"),
        ({"candidates": 1}, "candidates must be at least 2, got 1"),
        ({"trips": -1}, "trips must be at least 0, got -1"),
        ({"trip_steps": (7,)}, "trip_steps must be even numbers from 2 up"),
        ({"trip_steps": ()}, "trip_steps must be even numbers from 2 up"),
    ],
)
def test_number_out_of_range_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LongConfig(**values)  # type: ignore[arg-type]
