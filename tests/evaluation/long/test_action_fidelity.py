"""Action fidelity of sequences."""

import numpy as np
import pytest

from tests.evaluation.long.broken import noise
from wm_gym.evaluation.long.action_fidelity import ActionFidelity, action_fidelity
from wm_gym.evaluation.long.judges import JudgedRound, StateRoundJudge
from wm_gym.evaluation.long.sequences import ActionSequence
from wm_gym.evaluation.probes import Vocabulary
from wm_gym.evaluation.states import StateReader


@pytest.fixture
def real(sequences: list[ActionSequence]) -> list[np.ndarray]:
    return [np.stack([played.true for played in sequence.rounds]) for sequence in sequences]


@pytest.fixture
def rate(sequences: list[ActionSequence], vocabulary: Vocabulary, reader: StateReader):  # type: ignore[no-untyped-def]
    def rated(shown: list[np.ndarray]) -> ActionFidelity:
        texts = [["go", "on"]] * len(sequences)
        return action_fidelity(sequences, texts, shown, vocabulary, StateRoundJudge(reader), "state")

    return rated


def test_real_frames_score_one(rate, real: list[np.ndarray]) -> None:  # type: ignore[no-untyped-def]
    data = rate(real).to_json()
    assert (data["fidelity"], data["real"], data["n"]) == (1.0, 1.0, 12)
    assert data["by_round"] == [1.0, 1.0]
    assert set(data["by_action"].values()) == {1.0}


def test_broken_frames_score_next_to_nothing(  # type: ignore[no-untyped-def]
    rate, sequences: list[ActionSequence], real: list[np.ndarray]
) -> None:
    frozen = [np.broadcast_to(each.clip[-1], row.shape) for each, row in zip(sequences, real, strict=True)]
    shuffled = real[1:] + real[:1]
    for shown in (frozen, shuffled, noise(real)):
        assert rate(shown).to_json()["fidelity"] <= 0.25


def test_judge_out_of_range_is_refused(
    sequences: list[ActionSequence], real: list[np.ndarray], vocabulary: Vocabulary
) -> None:
    def generous(judged: JudgedRound) -> float:
        return 4.0

    texts = [["go", "on"]] * len(sequences)
    with pytest.raises(ValueError, match="judge must return a number from 0 to 3, got 4.0 for 'go'"):
        action_fidelity(sequences, texts, real, vocabulary, generous, "generous")
