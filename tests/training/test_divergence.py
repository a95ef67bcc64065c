"""The alarm hears what lasts, and passes over what does not."""

import math
import random

import pytest

from wm_gym.training.divergence import LEAST, DivergenceAlarm


def hear(values: list[float], name: str = "loss", threshold: float | None = 10.0, patience: int = 5) -> list[str]:
    """Every message, over iterations from 0."""
    alarm = DivergenceAlarm(threshold, patience, gradient_clip=1.0)
    said = [alarm.look(iteration, {name: value}, {}) for iteration, value in enumerate(values)]
    return [message for message in said if message]


@pytest.mark.parametrize("name", ["loss", "gradient_norm", "reward", "termination"])
def test_a_jump_that_lasts_is_told_with_its_begin(name: str) -> None:
    assert hear([1.0] * 110 + [20.0] * 5, name) == [
        f"{name} must stay below 10 times its running median, got 20 at iteration 114, where the median was 1, and as "
        "much since iteration 110"
    ]


def test_what_nobody_watches_may_jump() -> None:
    assert hear([1.0] * 110 + [20.0] * 5, "psnr") == []


def test_small_numbers_may_grow() -> None:
    assert hear([1e-7] * 110 + [0.09] * 100, "termination") == []  # as in a fine-tuning that meets a rare end
    assert hear([1e-4] * 110 + [0.9] * 100, "gradient_norm") == []
    assert hear([1e-4] * 110 + [0.9] * 100, "loss")


def test_spikes_pass() -> None:
    assert hear(([1.0] * 10 + [1000.0] * 4) * 20) == []


def test_the_median_is_not_moved_by_what_it_judges() -> None:
    assert len(hear([1.0] * 110 + [20.0] * 300, patience=300)) == 1


def test_a_first_phase_is_not_judged() -> None:
    assert hear([0.01] * (LEAST // 2 - 1) + [1.0] * 200) == []


def test_noise_and_slow_changes_pass() -> None:
    rng = random.Random(0)
    noisy = [math.exp(rng.gauss(-0.002 * step, 1.0)) for step in range(3000)]
    rising = [math.exp(0.005 * step) for step in range(1000)]
    assert hear(noisy) == hear(rising) == []


def test_a_loss_around_zero_is_judged_by_its_size() -> None:
    around = [0.1 * (-1) ** step for step in range(120)]
    assert hear([*around, *[0.5] * 10]) == []
    assert hear([*around, *[1.5] * 5])


def test_no_threshold_is_no_alarm() -> None:
    assert hear([1.0] * 110 + [1e9] * 100, threshold=None) == []


def test_the_trouble_begins_and_ends() -> None:
    alarm = DivergenceAlarm(10.0, 5, gradient_clip=1.0)
    begins = []
    for iteration, value in enumerate([1.0] * 110 + [20.0] * 3 + [1.0]):
        alarm.look(iteration, {"loss": value}, {})
        begins.append(alarm.begin)
    assert begins == [None] * 110 + [110] * 3 + [None]


def test_a_part_that_lost_its_gradient_is_told() -> None:
    alarm = DivergenceAlarm(10.0, 10, gradient_clip=1.0)
    said = [
        alarm.look(step, {}, {"heads": 1.0 if step < 20 else 0.0, "idle": 0.0} if step % 5 == 0 else {})
        for step in range(31)
    ]
    assert [step for step, message in enumerate(said) if message] == [30]
    assert said[30] == (
        "the gradient of heads must not vanish, got exactly 0 at iteration 30 and since iteration 20: it has collapsed "
        "and learns no more"
    )
