"""The suite from end to end, on a model that knows nothing."""

import json
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest

from envs.balls.twin import BallsSimulator
from tests.evaluation.long.conftest import BALLS, RANDOM
from wm_gym.evaluation.config import FidelityConfig, FollowingConfig
from wm_gym.evaluation.long.config import LongConfig
from wm_gym.evaluation.long.figures import draw_physics_sheet
from wm_gym.evaluation.long.physics_part import measure_physics_part
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.long.suite import LongOutcome, measure_suite
from wm_gym.evaluation.twin import Env
from wm_gym.world_model import WorldModel

SMALL = {"long_steps": 10, "long_rollouts": 2, "sequences": 2, "rounds": 2, "trips": 2, "trip_steps": (6,)}


def run(model: WorldModel, output: Path, config: FidelityConfig | None = None, **values: object) -> LongOutcome:
    long = LongConfig(output=output, **SMALL | values)  # type: ignore[arg-type]
    return measure_suite(model, config or FidelityConfig(batch_size=4), long, FollowingConfig(), progress=False)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("long")


@pytest.fixture(scope="module")
def outcome(random_model: WorldModel, output: Path) -> LongOutcome:
    return run(random_model, output)


def test_every_part_is_reported(outcome: LongOutcome, output: Path) -> None:
    report = json.loads((output / "report.json").read_text())
    parts = report["worlds"]["minigrid"]
    assert list(parts) == ["actions", "revisits", "drift"]
    assert report["done"]["minigrid"] == ["actions", "revisits", "drift"]
    assert [each["step"] for each in parts["drift"]["readings"]] == [10]
    assert parts["actions"]["fidelity"]["judge"] == "state"
    assert report["provenance"]["weights_hash"] == report["run"]["weights_hash"]


def test_model_that_knows_nothing_is_near_the_floor(outcome: LongOutcome, output: Path) -> None:
    parts = json.loads((output / "report.json").read_text())["worlds"]["minigrid"]
    assert parts["actions"]["fidelity"]["fidelity"] <= 0.5 and parts["actions"]["fidelity"]["real"] == 1.0
    assert parts["drift"]["readings"][0]["valid"] == 0.0 and parts["drift"]["readings"][0]["real_valid"] == 1.0
    assert parts["drift"]["consistency"] < 0.2 < parts["drift"]["real_consistency"]


def test_page_holds_tables_and_pictures(outcome: LongOutcome, output: Path) -> None:
    page = (output / "report.html").read_text()
    assert page.count("data:image/png;base64") == 4
    assert "action fidelity" in page and "minigrid: revisits" in page
    assert {path.name for path in outcome.paths} == {
        "report.json", "report.html", "minigrid-curves.png", "minigrid-actions.png", "minigrid-revisits.png",
        "minigrid-drift.png",
    }  # fmt: skip
    for path in outcome.paths[2:]:
        assert np.asarray(imageio.imread(path)).std() > 5


def test_table_is_for_a_terminal(outcome: LongOutcome) -> None:
    lines = outcome.table.splitlines()
    assert lines[0] == "worlds" and lines[1].split() == ["minigrid"]
    assert any(line.startswith("step-wise choice") for line in lines)
    assert max(map(len, lines)) < 120


def test_finished_parts_are_not_measured_again(random_model: WorldModel, outcome: LongOutcome, output: Path) -> None:
    report = json.loads((output / "report.json").read_text())
    report["done"]["minigrid"].remove("revisits")
    report["worlds"]["minigrid"]["drift"]["consistency"] = 0.125  # would change if it were measured again
    (output / "report.json").write_text(json.dumps(report))
    run(random_model, output)
    again = json.loads((output / "report.json").read_text())
    assert again["worlds"]["minigrid"]["drift"]["consistency"] == 0.125
    assert sorted(again["done"]["minigrid"]) == ["actions", "drift", "revisits"]


def test_laws_are_measured_where_there_are_any(
    random_model: WorldModel, balls_env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = FidelityConfig(twin=BALLS, policies=(RANDOM,), batch_size=8).resolve(random_model.card)
    stage = Stage(model=random_model, env=balls_env, config=config, long=LongConfig(falls=1))
    monkeypatch.setattr(BallsSimulator, "laws", ("collision",))
    kept: list[Any] = []
    measure_physics_part(stage, lambda data, pictures: kept.append((data, pictures)))
    laws = kept[-1][0]["laws"]
    assert [each["speeds"] for each in laws] == ["trained", "slower", "faster"]
    assert min(each["relative"] for each in laws) > 0.5
    assert draw_physics_sheet(kept[-1][1])[:4] == b"\x89PNG"


def test_unknown_judge_is_refused_before_the_dreams(random_model: WorldModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="judge must be one of"):
        run(random_model, tmp_path, judge="gpt")
