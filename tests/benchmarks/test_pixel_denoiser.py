"""The pixel denoiser: DIAMOND's shape, at any size, and what the benchmark tells."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.pixel_denoiser import (
    DENOISER,
    SIMULATOR,
    WORLD,
    PixelDenoiser,
    PixelDenoiserConfig,
    count,
    denoiser_of,
    draw_frame,
    main,
    render,
    sampling_sigmas,
)
from tests.evaluation.untrained import write_untrained


@pytest.fixture(scope="module")
def denoiser() -> PixelDenoiser:
    torch.manual_seed(0)
    return PixelDenoiser(width=8, num_actions=5, past_frames=4).eval()


def test_its_size_is_that_of_what_it_is_compared_with() -> None:
    for parameters in (300_000, 2_212_323):
        assert count(denoiser_of(parameters, num_actions=7, past_frames=4)) == pytest.approx(parameters, rel=0.1)


def test_sigmas_fall_from_5_to_0_as_in_edm() -> None:
    first, middle, last, end = sampling_sigmas(3)
    assert [first, last, end] == pytest.approx([5.0, 2e-3, 0.0])
    assert middle ** (1 / 7) == pytest.approx((5.0 ** (1 / 7) + 2e-3 ** (1 / 7)) / 2)


@torch.no_grad()
def test_a_frame_depends_on_its_past_and_on_its_actions(denoiser: PixelDenoiser) -> None:
    def draw(past: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(1)
        return draw_frame(denoiser, past, actions, num_steps=2)

    past, actions = torch.zeros(2, 12, 16, 16), torch.zeros(2, 4, dtype=torch.int64)
    frame = draw(past, actions)
    assert frame.shape == (2, 3, 16, 16) and frame.abs().max() <= 1 + 1e-5
    assert not torch.equal(frame, draw(past + 0.5, actions))
    assert not torch.equal(frame, draw(past, actions + 1))


@torch.no_grad()
def test_it_returns_grey_levels(denoiser: PixelDenoiser) -> None:
    clean = denoiser(torch.randn(1, 3, 16, 16), 0.5, torch.zeros(1, 12, 16, 16), torch.zeros(1, 4, dtype=torch.int64))
    levels = ((clean + 1) * 127.5).numpy()
    np.testing.assert_allclose(levels, levels.round(), atol=1e-3)


@torch.no_grad()
def test_without_noise_the_frame_is_nearly_its_input(denoiser: PixelDenoiser) -> None:
    noisy = torch.rand(1, 3, 16, 16) - 0.5
    shares = []
    for sigma in (0.01, 5.0):
        clean = denoiser(noisy, sigma, torch.zeros(1, 12, 16, 16), torch.zeros(1, 4, dtype=torch.int64))
        shares.append(float((clean * noisy).sum() / (noisy * noisy).sum()))
    assert shares[0] > 0.5 > abs(shares[1])  # c_skip is 0.73, then 0.01


def test_results_are_written_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = PixelDenoiserConfig(
        checkpoint=str(write_untrained(tmp_path, "minigrid")),
        batches=(1, 2),
        rounds=2,
        steps=2,
        output=tmp_path / "results" / "pixel_denoiser.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    cases = [(case["case"], case["batch"], case["samples"]) for case in results["cases"]]
    assert cases == [(SIMULATOR, 1, 4), (WORLD, 1, 4), (DENOISER, 1, 4), (WORLD, 2, 4), (DENOISER, 2, 4)]
    rates = {(case["case"], case["batch"]): case["steps_per_second"] for case in results["cases"]}
    assert results["ratios"]["2"] == pytest.approx(
        {DENOISER: rates[WORLD, 2] / rates[DENOISER, 2], SIMULATOR: rates[WORLD, 2] / rates[SIMULATOR, 1]}
    )
    assert "random weights" in results["denoiser"]
