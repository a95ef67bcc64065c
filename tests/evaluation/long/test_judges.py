"""Judges of action fidelity."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.evaluation.long.broken import noise
from tests.evaluation.test_inverse_dynamics import VOCABULARY as SLIDE
from tests.evaluation.test_inverse_dynamics import slide
from wm_gym.evaluation.inverse_dynamics import InverseDynamics, train_inverse_dynamics
from wm_gym.evaluation.long.judges import (
    ClassifierRoundJudge,
    JudgedRound,
    StateRoundJudge,
    load_judge,
    nearest_judge,
)
from wm_gym.evaluation.long.sequences import ActionSequence, Round
from wm_gym.evaluation.probes import Vocabulary
from wm_gym.evaluation.states import StateReader


def half(judged: JudgedRound) -> float:
    """A judge of one's own: never sure."""
    return 1.5


def shown(sequence: ActionSequence, vocabulary: Vocabulary, frames: np.ndarray) -> JudgedRound:
    """The first round, with these frames dreamed."""
    return JudgedRound(
        text="go", number=1, before=sequence.clip, frames=frames, played=sequence.rounds[0], vocabulary=vocabulary
    )


def test_real_frames_get_all_points(
    sequences: list[ActionSequence], vocabulary: Vocabulary, reader: StateReader
) -> None:
    for sequence in sequences:
        judged = shown(sequence, vocabulary, sequence.rounds[0].true)
        assert StateRoundJudge(reader)(judged) == nearest_judge(judged) == 3.0


def test_frozen_frames_get_none(sequences: list[ActionSequence], vocabulary: Vocabulary, reader: StateReader) -> None:
    for sequence in sequences:
        judged = shown(sequence, vocabulary, sequence.clip[-1:])
        assert StateRoundJudge(reader)(judged) == nearest_judge(judged) == 0.0


def test_noise_gets_next_to_none(sequences: list[ActionSequence], vocabulary: Vocabulary, reader: StateReader) -> None:
    scores = [StateRoundJudge(reader)(shown(each, vocabulary, noise([each.rounds[0].true])[0])) for each in sequences]
    assert sum(scores) <= 1.0


def test_nearest_judge_takes_noise_for_any_of_the_actions(
    sequences: list[ActionSequence], vocabulary: Vocabulary
) -> None:
    scores = [nearest_judge(shown(each, vocabulary, noise([each.rounds[0].true])[0])) for each in sequences]
    assert sum(scores) <= 0.5 * 3.0 * len(scores)


@pytest.fixture(scope="module")
def classifier() -> InverseDynamics:
    return train_inverse_dynamics(slide(100, seed=0), num_iterations=60)


def classified(classifier: InverseDynamics, break_frames: Callable[[Round], np.ndarray]) -> float:
    """The mean score where every action but idling, from unseen places, shows frames made of what happened."""
    probes, judge, scores = slide(24, seed=1).probes, ClassifierRoundJudge(classifier), []
    for clip, outcomes, valid in zip(probes.clips, probes.outcomes, probes.valid, strict=True):
        for label in range(len(SLIDE.visible)):
            played = Round(label=label, before=clip, outcomes=outcomes, valid=valid)
            frames = break_frames(played)
            scores.append(
                judge(JudgedRound(text="go", number=1, before=clip, frames=frames, played=played, vocabulary=SLIDE))
            )
    return float(np.mean(scores))


def test_classifier_judge_gives_real_frames_nearly_all_points(classifier: InverseDynamics) -> None:
    assert classified(classifier, lambda played: played.true) >= 0.97 * 3.0


@pytest.mark.parametrize(
    ("broken", "most"),
    [
        (lambda played: played.before[-1:], 0.1),
        (lambda played: played.outcomes[(played.label + 1) % 3], 0.1),
        (lambda played: noise([played.true])[0], 1.5),  # any action may be found in it, and one is
    ],
    ids=["frozen", "another action", "noise"],
)
def test_classifier_judge_gives_broken_frames_few(
    classifier: InverseDynamics, broken: Callable[[Round], np.ndarray], most: float
) -> None:
    assert classified(classifier, broken) <= most


def test_right_change_in_a_wrong_world_gets_two(
    sequences: list[ActionSequence], vocabulary: Vocabulary, reader: StateReader
) -> None:
    sequence = next(each for each in sequences if vocabulary.names[each.rounds[0].label].startswith("turn"))
    frames = sequence.rounds[0].true.copy()
    frames[:, 56:64, 56:64] = 0  # a hole in the wall
    assert StateRoundJudge(reader)(shown(sequence, vocabulary, frames)) == 2.0


def test_own_judge_is_found_by_its_name(sequences: list[ActionSequence], vocabulary: Vocabulary) -> None:
    judge = load_judge("tests.evaluation.long.test_judges:half")
    assert judge(shown(sequences[0], vocabulary, sequences[0].clip[-1:])) == 1.5


@pytest.mark.parametrize("name", ["gpt", "no.such.module:judge", "json:judge"])
def test_unknown_judge_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="judge must be one of state, inverse-dynamics, nearest, or"):
        load_judge(name)
