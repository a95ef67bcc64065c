"""Two finished runs are compared by what their policies did in the real twin."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.ppo_transfer import PPOTransferConfig, main, read_run


def finished(folder: Path, env: str, success: float) -> Path:
    """A run that reached `success` on one layout, and half of it on the way."""
    played: dict[str, Any] = {"success": success, "interval": [0.1, 0.9], "n": 10, "length": 5.0, "seeds": [1]}
    names = ("checkpoint", "num_envs", "horizon", "curriculum", "real_horizon", "seed")
    config = dict.fromkeys(names, 1) | {"env": env, "steps": 2000, "watch_episodes": 5}
    folder.mkdir()
    (folder / "result.json").write_text(json.dumps({"real": {"doorkey": played}, "config": config, "machine": {}}))
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
    assert output.with_suffix(".png").stat().st_size > 1000
    assert "0.60" in capsys.readouterr().out


def test_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run policies.ppo to its end"):
        read_run(tmp_path)
