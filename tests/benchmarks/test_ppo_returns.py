"""Runs are compared with random policies that play the same episodes of the real twin."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

pytest.importorskip("minigrid", reason="random policies play the real twin")

from benchmarks.ppo_returns import PPOReturnsConfig, main, measure  # noqa: E402
from policies.ppo_config import PPOConfig  # noqa: E402

SEEDS = [3, 4, 5]


def finished(folder: Path, world: str = "minigrid") -> Path:
    """A run that got 0.75 points an episode, and half of it on the way."""
    config = asdict(PPOConfig(output=folder, world=world, layouts=("empty",), steps=2000, real_horizon=4))
    played = {"return": 0.75, "standard_error": 0.25, "n": 3, "length": 4.0, "seeds": SEEDS}
    folder.mkdir()
    result = {"real": {"empty": played}, "config": config, "weights_hash": "0f", "machine": {}}
    (folder / "result.json").write_text(json.dumps(result, default=str))
    points = [{"steps": 1000 * i, "seconds": 60 * i, "real": {"empty": {"return": 0.375 * i}}} for i in (1, 2)]
    (folder / "progress.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    return folder


def test_returns_are_set_beside_random_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "results" / "ppo.json"
    main(PPOReturnsConfig(runs=(finished(tmp_path / "a"), finished(tmp_path / "b")), output=output))
    written = json.loads(output.read_text())
    assert {name: played["n"] for name, played in written["random"].items()} == {"uniform": 6, "sticky": 6}
    assert all(played["return"] == 0.0 for played in written["random"].values())  # no goal is four steps away
    for run in written["runs"]:
        assert run["final"]["seeds"] == SEEDS
        assert run["curve"] == [{"steps": 1000, "return": 0.375}, {"steps": 2000, "return": 0.75}]
        assert run["standard_errors_above_random"] == pytest.approx(3.0)
        assert run["seconds"] == 120
    assert output.with_suffix(".png").stat().st_size > 1000
    assert "3.0" in capsys.readouterr().out


def test_runs_of_several_worlds_are_refused(tmp_path: Path) -> None:
    runs = (finished(tmp_path / "a"), finished(tmp_path / "b", "pong"))
    with pytest.raises(ValueError, match="runs must be at least one, in one world and one layout, got 2 in .*'pong'"):
        measure(PPOReturnsConfig(runs=runs))
    with pytest.raises(ValueError, match="runs must be at least one"):
        measure(PPOReturnsConfig(runs=()))
