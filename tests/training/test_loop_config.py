"""The loop's numbers are checked, and the learning rate follows from them."""

from dataclasses import replace
from typing import Any

import pytest

from wm_gym.training.loop_config import LoopConfig, changed_values, learning_rate

CONFIG = LoopConfig(
    num_iterations=110, learning_rate=1.0, warmup_iterations=10, final_learning_rate_fraction=0.2, seed=0
)


@pytest.mark.parametrize(
    ("iteration", "expected"), [(0, 0.1), (4, 0.5), (9, 1.0), (10, 1.0), (60, 0.6), (110, 0.2), (500, 0.2)]
)
def test_learning_rate_warms_up_then_decays_to_the_final_fraction(iteration: int, expected: float) -> None:
    assert learning_rate(CONFIG, iteration) == pytest.approx(expected)


def test_learning_rate_without_warmup_starts_at_the_top() -> None:
    assert learning_rate(replace(CONFIG, warmup_iterations=0), 0) == 1.0


@pytest.mark.parametrize(
    "values",
    [
        {"num_iterations": 0},
        {"learning_rate": -1.0},
        {"learning_rate": float("nan")},
        {"gradient_clip": 0.0},
        {"checkpoint_every": 0},
        {"checkpoint_minutes": 0.0},
        {"log_every": 0},
        {"warmup_iterations": -1},
        {"weight_decay": -0.1},
        {"seed": -1},
        {"final_learning_rate_fraction": 1.5},
        {"betas": (0.9, 1.0)},
        {"ema_decay": 1.0},
        {"divergence_threshold": 1.0},
        {"divergence_threshold": float("nan")},
        {"divergence_patience": 0},
    ],
)
def test_config_refuses_values_out_of_range(values: dict[str, Any]) -> None:
    name = next(iter(values))
    with pytest.raises(ValueError, match=name):
        replace(CONFIG, **values)


def _recorded(num_iterations: int = 10, log_every: int = 1, seed: int = 0, weight: float = 1.0) -> dict[str, Any]:
    loop = {"num_iterations": num_iterations, "log_every": log_every, "seed": seed}
    return {"loop": loop, "stage": {"weight": weight}}


def test_changed_values_let_the_logging_and_the_length_change() -> None:
    assert changed_values(_recorded(), _recorded(num_iterations=20, log_every=5)) == []
    assert changed_values(_recorded(), _recorded(num_iterations=5)) == []


def test_changed_values_name_what_would_make_another_training() -> None:
    changes = changed_values(_recorded(), _recorded(seed=1, weight=2.0))
    assert changes == ["seed 0 -> 1", "weight 1.0 -> 2.0"]


def test_changed_values_are_let_through_where_that_is_wanted() -> None:
    now = _recorded(seed=1, weight=2.0)
    now["loop"]["allow_changes"] = True
    assert changed_values(_recorded(), now) == ["weight 1.0 -> 2.0"]
