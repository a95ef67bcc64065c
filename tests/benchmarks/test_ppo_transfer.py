"""Two finished runs are compared by what their policies did in the real twin."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ppo_transfer import PPOTransferConfig, compare, main, read_success


def finished(folder: Path, env: str, success: float) -> Path:
    """A run that reached `success` on one layout, and half of it on the way."""
    played: dict[str, Any] = {"success": success, "interval": [0.1, 0.9], "n": 10, "length": 5.0, "seeds": [1]}
    names = ("num_envs", "horizon", "curriculum", "real_horizon", "seed")
    config = dict.fromkeys(names, 1) | {"env": env, "steps": 2000, "watch_episodes": 5}
    folder.mkdir()
    result = {"real": {"doorkey": played}, "config": config, "weights_hash": "0f", "machine": {}}
    (folder / "result.json").write_text(json.dumps(result))
    points = [{"steps": 1000 * i, "seconds": 60 * i, "real": {"doorkey": {"success": success * i / 2}}} for i in (1, 2)]
    (folder / "progress.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points))
    return folder


def test_runs_are_compared_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dream, real = finished(tmp_path / "a", "dream", 0.6), finished(tmp_path / "b", "real", 0.8)
    output = tmp_path / "results" / "ppo.json"
    main(PPOTransferConfig(dream=dream, real=real, output=output))
    written = json.loads(output.read_text())
    assert written["dream_over_real"] == {"doorkey": pytest.approx(0.75)}
    assert [point["doorkey"] for point in written["dream"]["curve"]] == [0.3, 0.6]
    assert written["dream"]["weights_hash"] == "0f"
    assert output.with_suffix(".png").stat().st_size > 1000
    assert "0.60" in capsys.readouterr().out


def test_seconds_before_a_stop_count(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", "real", 0.8)
    progress = folder / "progress.jsonl"
    line = json.loads(progress.read_text().splitlines()[-1])
    with progress.open("a") as file:
        file.write("".join(json.dumps({**line, "seconds": seconds}) + "\n" for seconds in (30, 70)))
    assert read_success(folder)["seconds"] == 120 + 70


def test_a_run_in_the_other_world_is_refused(tmp_path: Path) -> None:
    dream, real = finished(tmp_path / "a", "dream", 0.6), finished(tmp_path / "b", "real", 0.8)
    with pytest.raises(ValueError, match="dream must be a run with --env dream, got one with --env real"):
        main(PPOTransferConfig(dream=real, real=dream, output=tmp_path / "ppo.json"))


def test_another_ppo_is_refused(tmp_path: Path) -> None:
    dream, real = finished(tmp_path / "a", "dream", 0.6), finished(tmp_path / "b", "real", 0.8)
    result = json.loads((real / "result.json").read_text())
    result["config"]["steps"] = 1
    (real / "result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="both runs must be of the same PPO, got other steps"):
        main(PPOTransferConfig(dream=dream, real=real, output=tmp_path / "ppo.json"))


def test_nothing_is_a_share_of_no_success(tmp_path: Path) -> None:
    runs = {
        name: read_success(finished(tmp_path / name, name, success)) for name, success in (("dream", 1), ("real", 0))
    }
    assert compare(runs) == {"doorkey": None}


def test_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run policies.ppo to its end"):
        read_success(tmp_path)


def test_a_run_that_lacks_an_option_is_refused(tmp_path: Path) -> None:
    folder = finished(tmp_path / "a", "real", 0.8)
    result = json.loads((folder / "result.json").read_text())
    del result["config"]["seed"]
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(ValueError, match="got .* without 'seed'; run policies.ppo to its end"):
        read_success(folder)
