"""The Ray benchmark times both ways on a tiny world and divides the medians."""

import json
import os
from pathlib import Path

import pytest

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
pytest.importorskip("ray")

from benchmarks.ray_throughput import ACTORS, ONE, RayThroughputConfig, main, render  # noqa: E402  # after the skip


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_it_times_both_and_writes_what_it_prints(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "rates.json"
    main(RayThroughputConfig(checkpoint=str(checkpoint), num_workers=1, num_envs=2, steps=2, rounds=3, output=output))
    results = json.loads(output.read_text())
    rates = results["world_steps_per_second"]
    assert {name: rate["n"] for name, rate in rates.items()} == {ONE: 3, ACTORS: 3}
    assert results["actors_over_one_process"] == pytest.approx(rates[ACTORS]["median"] / rates[ONE]["median"])
    assert render(results) in capsys.readouterr().out
