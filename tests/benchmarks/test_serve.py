"""The server's benchmark, on an untrained world."""

import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="serving needs fastapi")

from benchmarks.serve import ServeBenchmarkConfig, main, render  # noqa: E402


def test_clients_branch_and_what_they_saw_is_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ServeBenchmarkConfig(
        checkpoint=str(checkpoint), clients=3, minutes=0.03, max_states=6, output=tmp_path / "results" / "serve.json"
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert (results["errors"], results["error_kinds"]) == (0, {})
    answered = {kind: row["answered"] for kind, row in results["requests"].items()}
    assert min(answered["first_round"], answered["continue"]) > 0
    finished = results["stats"]["finished_tasks"]
    assert answered["first_round"] + answered["continue"] == finished
    assert results["stats"]["total_states_on_live_workers"] + results["stats"]["evicted_states"] == finished
    assert results["stats"]["total_states_on_live_workers"] <= 6
    assert results["evictions_met"] > 0
    assert len(results["memory_by_minute"]) == 1
