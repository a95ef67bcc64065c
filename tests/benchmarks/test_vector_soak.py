"""The soak, on an untrained world, and what it calls growth, not finite and dead."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.vector_soak import LEAST_EPISODE, Health, Memory, VectorSoakConfig, render, resident_bytes, soak


def config_of(checkpoint: Path, output: Path, **changes: Any) -> VectorSoakConfig:
    arguments: dict[str, Any] = {"num_envs": 2, "steps": 12, "warm_up": 4, "max_episode_steps": 3, "report_every": 5}
    return VectorSoakConfig(checkpoint=str(checkpoint), output=output / "soak.json", **arguments | changes)


def test_it_steps_resets_and_reports(checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = config_of(checkpoint, tmp_path)
    report = soak(config)
    assert json.loads(config.output.read_text()) == json.loads(json.dumps(report))
    assert capsys.readouterr().out.splitlines()[-1] == render(report)
    assert (report["vector_steps"], report["world_steps"], report["episodes"]) == (12, 24, 8)
    assert (report["not_finite"], report["memory_samples"]) == (0, 3)  # at 5, 10 and 12
    assert -50 < report["memory_growth_percent"] < 50


def test_it_stops_by_the_clock_and_keeps_what_it_saw(checkpoint: Path, tmp_path: Path) -> None:
    config = config_of(checkpoint, tmp_path, seconds=0.0)
    assert soak(config)["vector_steps"] == 1
    assert json.loads(config.output.read_text())["memory_growth_percent"] is None


def pictures(*values: int) -> Any:
    return np.stack([np.full((2, 2, 3), value, np.uint8) for value in values])


def test_a_world_is_dead_where_nothing_ever_changes() -> None:
    health, ended = Health.of(pictures(1, 1, 1)), np.zeros(3, np.bool_)
    numbers = {"rewards": np.zeros(3)}
    for step in range(1, LEAST_EPISODE + 1):
        ended[:] = step == LEAST_EPISODE
        ended[2] = step in (4, LEAST_EPISODE)  # an episode that is too short to say, and another one
        health.see(pictures(1, 1 + (step == 5), 1), numbers, ended)
        health.begin(health.before, ended)
    assert (health.episodes, health.dead) == (4, 1)


def test_what_is_not_finite_is_counted_by_world() -> None:
    health = Health.of(pictures(1, 1))
    ended = np.zeros(2, np.bool_)
    health.see(pictures(1, 2), {"rewards": np.array([0.0, np.nan]), "more": np.array([[1.0, 2], [np.inf, 0]])}, ended)
    assert health.not_finite == 1
    health.see(pictures(1, 2), {"rewards": np.array([np.nan, np.nan])}, ended)
    assert health.not_finite == 3


def test_growth_is_of_medians_of_tenths() -> None:
    memory = Memory(samples=[(step, 100 + (10 if step >= 18 else 0), 0) for step in range(20)])
    assert memory.growth() == pytest.approx(0.1)
    assert Memory(samples=[(0, 100, 0)]).growth() is None


def test_memory_that_is_taken_is_seen() -> None:
    before = resident_bytes()
    taken = np.ones(256 * 2**20, np.uint8)  # too much for what an allocator may have kept
    assert resident_bytes() - before > 128 * 2**20
    assert taken.all()
