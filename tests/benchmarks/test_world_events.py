"""Told and untold events, on weights that were never trained on any."""

import json
from pathlib import Path

import pytest

pytest.importorskip("minigrid", reason="events happen in the real twin")

from benchmarks.world_events import WorldEventsConfig, main, measure, render  # noqa: E402


def test_weights_that_know_no_events_are_wrong_untold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = WorldEventsConfig(checkpoint="minigrid", steps=(1, 2), rollouts=4, output=tmp_path / "events.json")
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert [case["event"] for case in results["cases"]] == ["doors open", "doors close", "agent turned"]
    for case in results["cases"]:
        assert case["n"] == 4
        assert list(case["told"]) == ["1", "2"]
        assert case["untold"]["1"]["state_accuracy"] == 0.0  # only events count that it cannot guess


@pytest.mark.parametrize("wrong", [{"steps": (2, 4)}, {"steps": (1, 1)}, {"steps": ()}, {"rollouts": 0}])
def test_nothing_to_measure_is_refused(wrong: dict[str, tuple[int, ...] | int]) -> None:
    with pytest.raises(ValueError, match="steps must rise from 1 and rollouts be at least 1"):
        measure(WorldEventsConfig(checkpoint="minigrid", **wrong))  # type: ignore[arg-type]


def test_a_world_without_events_is_refused() -> None:
    pytest.importorskip("pymunk", reason="the twin of PushT")
    with pytest.raises(ValueError, match="world must have events, got 'pusht'"):
        measure(WorldEventsConfig(checkpoint="pusht", rollouts=1))
