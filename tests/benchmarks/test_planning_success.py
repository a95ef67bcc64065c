"""Planning against its prior alone: what is played, what is kept of a run that was stopped, and the summary."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.planning_agents import TASKS, prior_predict, random_predict
from benchmarks.planning_success import PlanningSuccessConfig, _read_log, _summary, measure, render

CONFIG = PlanningSuccessConfig(episodes=2, max_steps=6, model_steps=100, progress=False)


def test_a_stopped_run_goes_on_and_another_configuration_is_refused(tmp_path: Path) -> None:
    config = replace(CONFIG, output=tmp_path / "planning.json").completed()
    results = measure(replace(config, episodes=1))
    log = tmp_path / "planning.episodes.jsonl"
    with log.open("a") as file:
        file.write('{"agent": "pla')  # a kill cut it
    more = measure(config)
    assert {name: episodes[0] for name, episodes in more["episodes"].items()} == {
        name: episodes[0] for name, episodes in results["episodes"].items()
    }
    assert [len(episodes) for episodes in more["episodes"].values()] == [2, 2, 2]
    assert len(log.read_text().splitlines()) == 6
    assert more["settings"] == TASKS["doorkey"].settings
    assert "sticky prior" in render(more)
    with pytest.raises(ValueError, match="must be of this configuration, got another; choose another --output"):
        measure(replace(config, model_steps=200))


def test_processes_share_the_episodes_and_play_the_same(tmp_path: Path) -> None:
    alone = measure(replace(CONFIG, output=tmp_path / "alone.json").completed())
    shared = measure(replace(CONFIG, processes=2, threads=1, output=tmp_path / "shared.json").completed())
    for agent in ("prior", "sticky prior"):
        assert shared["episodes"][agent] == alone["episodes"][agent]
    assert [len(episodes) for episodes in shared["episodes"].values()] == [2, 2, 2]


def test_summary_counts_rewards_of_one_as_successes() -> None:
    episodes = [{"seed": i, "best_reward": best, "steps": 10 * i} for i, best in enumerate((1.0, 0.5, 0.0, 1.0))]
    summary = _summary(episodes)
    assert (summary["episodes"], summary["successes"], summary["success"]) == (4, 2, 0.5)
    assert summary["best_reward"] == 0.625 and summary["steps"] == 15.0
    low, high = summary["interval"]
    assert 0.1 < low < 0.2 and low + high == pytest.approx(1)


def test_prior_follows_its_first_plan_to_the_end() -> None:
    asked = []

    def propose(frame: np.ndarray, num_plans: int, rng: np.random.Generator) -> list[list[str]]:
        asked.append((frame.shape, num_plans))
        return [["left", "right"]]

    predict = prior_predict(propose, np.random.default_rng(0))
    chunk = np.zeros((1, 8, 8, 3), np.uint8)
    assert [predict(chunk, None, None)[0] for _ in range(5)] == ["left", "right", "left", "right", "left"]
    assert asked == [((8, 8, 3), 1)] * 3


@pytest.mark.parametrize(("stickiness", "share"), [(0.0, 0.25), (0.6, 0.7)])
def test_random_texts_stick_as_often_as_said(stickiness: float, share: float) -> None:
    predict = random_predict(tuple("abcd"), np.random.default_rng(0), stickiness)
    said = [predict(None, None, None)[0] for _ in range(4000)]
    assert np.mean([one == other for one, other in zip(said, said[1:], strict=False)]) == pytest.approx(share, abs=0.03)


def test_log_without_an_end_of_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"agent": "prior", "fingerprint": "same", "seed": 3, "best_reward": 0.5}))
    for _ in range(2):
        assert _read_log(path, "same") == {("prior", 3): {"seed": 3, "best_reward": 0.5}}
    assert path.read_text().endswith("}\n")  # the next episode gets a line of its own
