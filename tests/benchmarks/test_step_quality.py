"""The benchmark of denoising steps, on an untrained world."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("minigrid", reason="states are compared with those of the real twin")

from benchmarks.step_quality import StepQualityConfig, main, measure, render  # noqa: E402
from tests.evaluation.untrained import write_untrained  # noqa: E402


def test_every_number_of_steps_dreams_the_same_rollouts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = StepQualityConfig(
        checkpoint=str(write_untrained(tmp_path, "minigrid")),
        denoising_steps=(1, 2),
        rollouts=3,
        horizon=2,
        output=tmp_path / "results" / "step_quality.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    one, two = results["cases"]
    assert (one["num_denoising_steps"], two["num_denoising_steps"], one["n"]) == (1, 2, two["n"])
    assert one["psnr"] != two["psnr"]
    gained, lost = one["right_here_alone"], one["right_there_alone"]
    assert gained - lost == round((one["state_accuracy"] - two["state_accuracy"]) * one["n"])
    assert (two["right_here_alone"], two["right_there_alone"]) == (0, 0)  # it is the reference


def test_no_number_of_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="denoising_steps must name at least one number, got none"):
        measure(replace(StepQualityConfig(), denoising_steps=()))
