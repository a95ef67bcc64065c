"""The benchmark of play, on an untrained world."""

import json
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="play on a page needs websockets")

from benchmarks.play_latency import PlayLatencyConfig, main, render, time_window  # noqa: E402


def test_results_are_written_and_shown(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = PlayLatencyConfig(
        world="slide",
        checkpoint=str(checkpoint),
        keys=5,
        text="go left",
        minutes=0.05,
        policy="",
        output=tmp_path / "results" / "play_latency.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    for name in ("window", "page"):
        case = results[name]
        assert case["samples"] == 5
        assert 0 < case["p50_ms"] <= case["p95_ms"] <= case["max_ms"]
    played = results["random_play"]
    assert (played["exception"], played["longest_queue"] <= 2, len(played["resident_megabytes"])) == ("", True, 2)
    assert played["acts"] > 10


def test_a_text_that_no_key_says_is_told(checkpoint: Path) -> None:
    config = PlayLatencyConfig(world="slide", checkpoint=str(checkpoint), text="sing")
    with pytest.raises(ValueError, match="text must be one of a key, .* got 'sing'"):
        time_window(config)
