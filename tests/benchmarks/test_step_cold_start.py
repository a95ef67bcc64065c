"""The benchmark of the cold start, on an untrained world."""

import json
from pathlib import Path

import pytest

from benchmarks.step_cold_start import PHASES, ColdStartConfig, import_shares, main, render


def test_shares_are_summed_by_package_and_sorted() -> None:
    stderr = """import time: self [us] | cumulative | imported package
import time:       100 |        100 | numpy
import time:       200 |        700 |   torch.nn
import time:       500 |        500 | torch
a warning"""
    assert import_shares(stderr) == {"torch": 0.875, "numpy": 0.125}


def test_results_are_written_and_shown(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ColdStartConfig(
        checkpoint=str(checkpoint), samples=1, packages=2, output=tmp_path / "results" / "cold_start.json"
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert tuple(results["seconds"]) == PHASES
    assert 0 < results["to_first_frames"] < sum(results["seconds"].values())
    assert len(results["import_shares"]) == 2 and "torch" in results["import_shares"]
