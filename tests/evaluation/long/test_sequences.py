"""Real action sequences with the futures of their rivals."""

import numpy as np

from wm_gym.evaluation.long.sequences import ActionSequence, collect_sequences
from wm_gym.evaluation.probes import Vocabulary
from wm_gym.evaluation.twin import Env


def test_sequences_have_rounds_with_every_future(sequences: list[ActionSequence], vocabulary: Vocabulary) -> None:
    assert len(sequences) == 6
    for sequence in sequences:
        assert len(sequence.rounds) == 2
        for played in sequence.rounds:
            assert played.outcomes.shape == (7, 1, 64, 64, 3)
            assert played.label < len(vocabulary.visible)


def test_each_round_goes_on_where_the_last_one_ended(sequences: list[ActionSequence]) -> None:
    for sequence in sequences:
        first, second = sequence.rounds
        np.testing.assert_array_equal(first.before, sequence.clip)
        np.testing.assert_array_equal(second.before[-1], first.true[-1])


def test_every_action_shows(sequences: list[ActionSequence]) -> None:
    for played in (each for sequence in sequences for each in sequence.rounds):
        others = np.delete(played.outcomes, played.label, axis=0)
        assert all((played.true != other).any() for other in others)


def test_actions_are_spread(sequences: list[ActionSequence]) -> None:
    labels = [played.label for sequence in sequences for played in sequence.rounds]
    assert len(set(labels)) >= 3


def test_same_seed_same_sequences(twin_env: Env, sequences: list[ActionSequence], vocabulary: Vocabulary) -> None:
    again = collect_sequences(twin_env, "policies.minigrid:mixed", vocabulary, num_sequences=2, num_rounds=2, seed=0)
    for one, two in zip(again, sequences, strict=False):
        np.testing.assert_array_equal(one.rounds[1].true, two.rounds[1].true)
