"""The vector benchmark, on an untrained world."""

import json
from pathlib import Path

import pytest

from benchmarks.vector_throughput import SINGLE, VECTOR, VectorThroughputConfig, main, render


def test_results_are_written_and_shown(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = VectorThroughputConfig(
        checkpoint=str(checkpoint),
        num_envs=(1, 2),
        single_envs=3,
        max_episode_steps=2,
        rounds=2,
        steps=2,
        output=tmp_path / "results" / "vector_throughput.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    cases = [(case["case"], case["batch"], case["samples"]) for case in results["cases"]]
    assert cases == [(VECTOR, 1, 4), (VECTOR, 2, 4), (VECTOR, 3, 4), (SINGLE, 3, 4)]
    medians = {case["case"]: case["median_ms"] for case in results["cases"] if case["batch"] == 3}
    assert results["speedup_over_single_envs"] == pytest.approx(medians[SINGLE] / medians[VECTOR])
