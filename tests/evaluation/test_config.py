"""The evaluation's config."""

from typing import Any

import pytest

from wm_gym.evaluation.config import FidelityConfig


def test_horizons_are_powers_of_four_up_to_64() -> None:
    assert FidelityConfig(horizon=64).horizons == (1, 4, 16, 64)


def test_last_step_is_always_a_horizon() -> None:
    assert FidelityConfig(horizon=20).horizons == (1, 4, 16, 20)


def test_drift_horizons_end_at_last_step() -> None:
    assert FidelityConfig(drift_steps=300).drift_horizons == (10, 100, 300)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"rollouts": 0}, "rollouts must be at least 1, got 0"),
        ({"horizon": -3}, "horizon must be at least 1, got -3"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"drift_rollouts": -1}, "drift_rollouts must be at least 0, got -1"),
        ({"policies": ()}, "policies must name at least one policy"),
    ],
)
def test_bad_value_names_rule(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        FidelityConfig(**values)
