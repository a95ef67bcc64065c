"""Told and untold events, on weights that were never trained on any."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("minigrid", reason="events happen in the real twin")

from benchmarks.world_events import WorldEventsConfig, main, measure, render  # noqa: E402
from envs.minigrid.actions import ACTIONS  # noqa: E402
from wm_gym.world_model import WorldModel  # noqa: E402


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
        assert case["nothing_happens"]["1"]["state_accuracy"] == 1.0  # the shipped weights are right where none comes


def test_the_model_is_told_of_the_event_and_of_nothing_later(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    step = WorldModel.step

    def listening(self: WorldModel, *arguments: Any, **keywords: Any) -> Any:
        told.append(keywords["events"])
        return step(self, *arguments, **keywords)

    monkeypatch.setattr(WorldModel, "step", listening)
    measure(WorldEventsConfig(checkpoint="minigrid", steps=(1, 2), rollouts=2))
    assert [events if events is None else len(events) for events in told] == [2, None] * 6
    assert set(told[2]) == {""}
    assert all(text in ACTIONS.event_phrases["doors open"] for text in told[0])
    assert all(text in ACTIONS.event_phrases["agent turned"] for text in told[8])


@pytest.mark.parametrize("wrong", [{"steps": (2, 4)}, {"steps": (1, 1)}, {"steps": ()}, {"rollouts": 0}])
def test_nothing_to_measure_is_refused(wrong: dict[str, tuple[int, ...] | int]) -> None:
    with pytest.raises(ValueError, match="steps must rise from 1 and rollouts be at least 1"):
        measure(WorldEventsConfig(checkpoint="minigrid", **wrong))  # type: ignore[arg-type]


def test_a_world_without_events_is_refused() -> None:
    pytest.importorskip("pymunk", reason="the twin of PushT")
    with pytest.raises(ValueError, match="world must have events, got 'pusht'"):
        measure(WorldEventsConfig(checkpoint="pusht", rollouts=1))


def test_a_scale_out_of_range_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="guidance_scale must be a finite number and at least 0, got -1.0"):
        measure(WorldEventsConfig(checkpoint="nowhere", guidance_scale=-1.0))
