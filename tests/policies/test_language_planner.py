"""Simulative reasoning: propose, imagine, judge, and again."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from policies.language_planner import LanguagePlanner, ScriptedProposer
from tests.endless_worlds import set_termination_logit
from tests.worlds import tiny_world_model
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

TEXTS = ["go left", "go right", "go down", "wait"]
GOAL = "the picture is bright"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    model = tiny_world_model(tmp_path_factory.mktemp("data"))
    set_termination_logit(model, -20.0)
    return model


@pytest.fixture
def state(model: WorldModel) -> WorldState:
    return model.reset(model.starts["slide"][:1], seeds=[0])


def brightness(frames: np.ndarray, text: str) -> np.ndarray:
    """A critic that can tell bright pictures, and takes every action for followed as far as it is bright."""
    return (frames.mean(axis=(1, 2, 3)) / 255).astype(np.float32)


class Proposer(ScriptedProposer):
    """A scripted one that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(TEXTS)
        self.asked: list[tuple[str, np.ndarray, tuple[str, ...]]] = []

    def __call__(self, goal: str, frame: Any, said: Sequence[str], num_proposals: int, /) -> list[str]:
        self.asked.append((goal, frame, tuple(said)))
        return super().__call__(goal, frame, said, num_proposals)


def planner(model: WorldModel, proposer: Any, **arguments: Any) -> LanguagePlanner:
    return LanguagePlanner(model, proposer, brightness, GOAL, **arguments)


def test_pans_numbers_are_the_defaults(model: WorldModel, state: WorldState) -> None:
    reasoning = planner(model, Proposer(), finished=2.0).reason(state)
    assert len(reasoning.rounds) == len(reasoning.actions) == 5
    assert all(len(round_.proposals) == 3 for round_ in reasoning.rounds)
    assert all(len(samples) == 3 for round_ in reasoning.rounds for samples in round_.samples)
    seeds = [sample.seed for round_ in reasoning.rounds for samples in round_.samples for sample in samples]
    assert len(set(seeds)) == 45
    assert not reasoning.is_finished


def test_best_sample_and_best_proposal_are_chosen(model: WorldModel, state: WorldState) -> None:
    reasoning = planner(model, Proposer(), finished=2.0, uncertainty_penalty=0.0).reason(state)
    for number, round_ in enumerate(reasoning.rounds):
        for samples, best in zip(round_.samples, round_.best, strict=True):
            assert samples[best].following == max(sample.following for sample in samples)
        goals = [samples[best].goal for samples, best in zip(round_.samples, round_.best, strict=True)]
        assert goals[round_.chosen] == max(goals)
        assert reasoning.actions[number] == round_.proposals[round_.chosen]


def test_doubt_weighs_against_a_score(model: WorldModel, state: WorldState) -> None:
    reasoning = planner(model, Proposer(), finished=2.0, max_rounds=1, uncertainty_penalty=1000.0).reason(state)
    (round_,) = reasoning.rounds
    for samples, best in zip(round_.samples, round_.best, strict=True):
        assert samples[best].uncertainty == min(sample.uncertainty for sample in samples)


def test_next_round_begins_in_the_chosen_world(model: WorldModel, state: WorldState) -> None:
    proposer = Proposer()
    reasoning = planner(model, proposer, finished=2.0, max_rounds=2).reason(state)
    goal, frame, said = proposer.asked[1]
    assert goal == GOAL and said == reasoning.actions[:1]
    chosen = [moment for moment in reasoning.tree.moments if moment.chosen]
    np.testing.assert_array_equal(frame, chosen[1].frame)
    assert [moment.action for moment in chosen] == [None, *reasoning.actions]
    assert len(reasoning.tree.moments) == 1 + 2 * 3


def test_reasoning_ends_at_the_goal(model: WorldModel, state: WorldState) -> None:
    reasoning = planner(model, Proposer(), finished=0.01).reason(state)
    assert reasoning.is_finished and len(reasoning.rounds) == 1


def test_proposer_may_end_it(model: WorldModel, state: WorldState) -> None:
    def once(goal: str, frame: Any, said: Sequence[str], num_proposals: int, /) -> list[str]:
        return [] if said else ["go left"]

    reasoning = planner(model, once, finished=2.0).reason(state)
    assert reasoning.actions == ("go left",) and not reasoning.is_finished


def test_text_may_last_several_steps(model: WorldModel, state: WorldState) -> None:
    reasoning = planner(model, Proposer(), finished=2.0, max_rounds=2, steps_per_text=3).reason(state)
    assert len(reasoning.actions) == 6
    assert len(set(reasoning.actions[:3])) == 1


def test_same_seed_thinks_the_same(model: WorldModel, state: WorldState) -> None:
    first, second = (planner(model, Proposer(), seed=4).reason(state) for _ in range(2))
    assert first.rounds == second.rounds


def test_transcript_and_picture_are_written(model: WorldModel, state: WorldState, tmp_path: Path) -> None:
    thinker = planner(model, Proposer(), finished=2.0, max_rounds=2, transcripts=tmp_path)
    reasoning = thinker.reason(state)
    thinker.reason(state)
    transcript = json.loads((tmp_path / "0000" / "transcript.json").read_text())
    assert transcript["goal"] == GOAL and tuple(transcript["actions"]) == reasoning.actions
    assert transcript["rounds"][1]["samples"][2][0]["seed"] == reasoning.rounds[1].samples[2][0].seed
    with Image.open(tmp_path / "0001" / "tree.png") as picture:
        assert picture.width > 300
    planner(model, Proposer(), finished=2.0, max_rounds=1, transcripts=tmp_path).reason(state)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0000", "0001", "0002"]


def test_thought_is_said_to_its_end_before_the_next_one(model: WorldModel) -> None:
    proposer = Proposer()
    policy = planner(model, proposer, finished=2.0, max_rounds=2)
    chunk, state = model.starts["slide"][0].numpy(), None
    for step in range(4):
        text, state = policy.predict(chunk, state, np.array([step == 0]))
        assert text in TEXTS
    assert len(proposer.asked) == 4
    policy.predict(chunk, ("wait",), np.array([True]))
    assert len(proposer.asked) == 6


@pytest.mark.parametrize("answer", [[], "go left", ["go left", "wait", "go down", "go right"]])
def test_proposals_that_break_the_rule_are_refused(model: WorldModel, state: WorldState, answer: Any) -> None:
    with pytest.raises(ValueError, match="proposer must return 1 to 3 texts"):
        planner(model, lambda goal, frame, said, count: answer).reason(state)


@pytest.mark.parametrize("name", ["num_proposals", "best_of", "max_rounds", "steps_per_text"])
def test_counts_below_one_are_refused(model: WorldModel, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        planner(model, Proposer(), **{name: 0})


def test_empty_goal_and_script_are_refused(model: WorldModel) -> None:
    with pytest.raises(ValueError, match="goal must say what shall hold"):
        LanguagePlanner(model, Proposer(), brightness, "")
    with pytest.raises(ValueError, match="texts must be a non-empty list"):
        ScriptedProposer([])


def test_script_goes_on_where_it_was() -> None:
    script, frame = ScriptedProposer(TEXTS), np.zeros((4, 4, 3), np.uint8)
    assert script("", frame, (), 3) == TEXTS[:3]
    assert script("", frame, ("x",), 3) == ["wait", "go left", "go right"]
