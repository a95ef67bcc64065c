"""Judges of action fidelity."""

import numpy as np
import pytest

from tests.evaluation.long.broken import noise
from wm_gym.evaluation.long.judges import JudgedRound, StateRoundJudge, load_judge, nearest_judge
from wm_gym.evaluation.long.sequences import ActionSequence
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
