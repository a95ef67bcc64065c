"""Runs are compared with random policies that play the same episodes of the real twin."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("minigrid", reason="random policies play the real twin")

from benchmarks.ppo_returns import PPOReturnsConfig, main, measure  # noqa: E402
from policies.ppo_config import PPOConfig  # noqa: E402

SEEDS = [3, 4, 5]


def finished(folder: Path, world: str = "minigrid", layout: str = "empty", horizon: int = 4) -> Path:
    """A run that got 0.75 points an episode, and half of it on the way."""
    config = asdict(PPOConfig(output=folder, world=world, layouts=(layout,), steps=2000, real_horizon=horizon))
    played = {"return": 0.75, "standard_error": 0.25, "n": 3, "length": 4.0, "seeds": SEEDS}
    folder.mkdir()
    result = {"real": {layout: played}, "config": config, "weights_hash": "0f", "machine": {}}
    (folder / "result.json").write_text(json.dumps(result, default=str))
    points = [{"steps": 1000 * i, "seconds": 60 * i, "real": {layout: {"return": 0.375 * i}}} for i in (1, 2)]
    (folder / "progress.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    return folder


def test_returns_are_set_beside_random_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results" / "ppo.json"
    main(PPOReturnsConfig(runs=(finished(tmp_path / "a"), finished(tmp_path / "b")), output=output))
    written = json.loads(output.read_text())
    for run in written["runs"]:
        assert run["final"]["seeds"] == SEEDS
        assert run["curve"] == [{"steps": 1000, "return": 0.375}, {"steps": 2000, "return": 0.75}]
        assert run["standard_errors_above_random"] == pytest.approx(3.0)
        assert run["seconds"] == 120
        assert {name: random["n"] for name, random in run["random"].items()} == {"uniform": 3, "sticky": 3}
        assert all(random["return"] == 0.0 for random in run["random"].values())  # no goal is four steps away
    assert output.with_suffix(".png").stat().st_size > 1000
    assert "3.0" in capsys.readouterr().out


@pytest.mark.parametrize("other", [{"world": "pong"}, {"layout": "doorkey"}, {"horizon": 5}])
def test_runs_that_cannot_be_compared_are_refused(other: dict[str, Any], tmp_path: Path) -> None:
    runs = (finished(tmp_path / "a"), finished(tmp_path / "b", **other))
    (wrong,) = other.values()
    with pytest.raises(ValueError, match=f"runs must be at least one, in one world, .*, got 2 in .*{wrong}"):
        measure(PPOReturnsConfig(runs=runs))


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="runs must be at least one, .* got 0"):
        measure(PPOReturnsConfig(runs=()))
