"""Noise levels of a window, by hand-computed numbers."""

import pytest
import torch

from tests.production import unchecked
from tests.tolerances import assert_near
from wm_gym.decoder.swin_config import StaggerSpace, SwinConfig, swin_level, swin_sigmas, training_levels

SHIFT = 5.0  # shift(s) = 5 s / (1 + 4 s): 1/4 -> 5/8, 1/2 -> 5/6, 3/4 -> 15/16


@pytest.mark.parametrize(
    ("space", "expected"),
    [("index", [1, 15 / 16, 5 / 6, 5 / 8, 0]), ("sigma", [1, 11 / 12, 1 / 2, 5 / 12, 0])],
)
def test_schedule_of_four_steps(space: StaggerSpace, expected: list[float]) -> None:
    assert swin_sigmas(4, SHIFT, space) == pytest.approx(expected)


def test_a_window_in_sigma_space_is_half_the_noise_apart() -> None:
    index = torch.linspace(0, 0.5, 6, dtype=torch.float64)
    apart = swin_level(index + 0.5, SHIFT, "sigma") - swin_level(index, SHIFT, "sigma")
    assert_near(apart[:-1], torch.full_like(apart[:-1], 0.5))


def test_a_window_in_index_space_is_half_the_schedule_apart() -> None:
    sigmas = swin_sigmas(6, SHIFT, "index")
    index = torch.tensor([1.0, 5 / 6, 4 / 6], dtype=torch.float64)
    assert swin_level(index - 0.5, SHIFT, "index").tolist() == pytest.approx(sigmas[3:6])


@pytest.mark.parametrize("number", [-2, 0, 1, 3])
def test_odd_or_no_steps_are_refused(number: int) -> None:
    with pytest.raises(ValueError, match=f"num_denoising_steps must be even and at least 2 .* got {number}"):
        swin_sigmas(number, SHIFT, "index")


def test_training_levels_of_three_rounds() -> None:
    uniform = torch.tensor([[[0.8, 0.9], [0.4, 0.9], [0.2, 0.9]], [[0.5, 0.9], [0.0, 0.9], [1.0, 0.9]]])
    levels, counts = training_levels(uniform, torch.arange(3), 3, SwinConfig(), shift=1.0)
    assert_near(levels[0], torch.tensor([[0.8, 1.0], [0.2, 0.7], [0.1, 0.6]]))
    assert_near(levels[1], torch.tensor([[0.5, 1.0], [0.0, 0.5], [0.5, 1.0]]))
    assert counts.int().tolist() == [[[1, 0], [1, 1], [1, 0]], [[1, 1], [1, 1], [1, 0]]]


def test_training_levels_are_shifted_after_the_stagger() -> None:
    uniform, rounds = torch.tensor([[[0.25, 0.0], [0.5, 0.0]]]), torch.arange(2)
    levels, _ = training_levels(uniform, rounds, 2, SwinConfig(), SHIFT)
    assert_near(levels, torch.tensor([[[5 / 8, 15 / 16], [5 / 8, 15 / 16]]]))
    levels, _ = training_levels(uniform, rounds, 2, SwinConfig(stagger_space="sigma"), SHIFT)
    assert_near(levels, torch.tensor([[[5 / 12, 11 / 12], [5 / 12, 11 / 12]]]))


def test_the_stagger_comes_from_one_number_a_window() -> None:
    uniform = torch.rand(4, 3, 2)
    other = uniform.clone().index_fill_(2, torch.tensor(1), 0.1)
    levels, again = (training_levels(each, torch.arange(3), 3, SwinConfig(), SHIFT)[0] for each in (uniform, other))
    assert torch.equal(levels, again)


def test_independent_levels_are_those_drawn() -> None:
    uniform = torch.rand(4, 3, 2)
    levels, counts = training_levels(uniform, torch.arange(3), 3, SwinConfig(), 1.0, independent=True)
    assert_near(levels, uniform)
    assert counts[:, :-1].all() and not counts[:, -1, 1].any()


def test_without_a_stagger_each_chunk_goes_the_whole_way() -> None:
    uniform = torch.rand(4, 3, 1)
    levels, counts = training_levels(uniform, torch.arange(3), 3, SwinConfig(staggered=False), 1.0)
    assert_near(levels, uniform)
    assert counts.all()


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        ({"condition_sigma": 1.0}, "condition_sigma must be at least 0 and below 1, got 1.0"),
        ({"condition_sigma": -0.1}, "condition_sigma must be"),
        ({"stagger_space": "time"}, "stagger_space must be index or sigma, got 'time'"),
        ({"condition_sees": "all"}, "condition_sees must be itself or first_chunk, got 'all'"),
    ],
)
def test_values_out_of_range_are_refused(wrong: dict[str, float | str], rule: str) -> None:
    with unchecked(), pytest.raises(ValueError, match=rule):
        SwinConfig(**wrong)  # type: ignore[arg-type]


def test_windows_of_some_rounds_know_which_they_are() -> None:
    uniform = torch.full((1, 2, 2), 0.8)
    levels, counts = training_levels(uniform, torch.tensor([1, 3]), 4, SwinConfig(), 1.0)
    assert_near(levels, torch.tensor([[[0.4, 0.9], [0.4, 0.9]]]))
    assert counts.int().tolist() == [[[1, 1], [1, 0]]]
