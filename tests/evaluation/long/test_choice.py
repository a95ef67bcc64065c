"""Step-wise choice among real futures."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.evaluation.long.broken import noise
from wm_gym.evaluation.long.choice import Choices, draw_candidates, nearest_future, step_wise_choice
from wm_gym.evaluation.long.sequences import ActionSequence, Round


@pytest.fixture
def rounds(sequences: list[ActionSequence]) -> list[Round]:
    return [played for sequence in sequences for played in sequence.rounds]


def choose(rounds: list[Round], frames: list[np.ndarray]) -> Choices:
    return step_wise_choice(rounds, frames, num_candidates=4, rng=np.random.default_rng(0))


def test_real_futures_choose_themselves(rounds: list[Round]) -> None:
    found = choose(rounds, [played.true for played in rounds])
    assert (found.right, found.n) == (12, 12)
    assert 0.25 <= found.chance <= 0.5


def still(rounds: list[Round]) -> list[np.ndarray]:
    return [np.repeat(played.before[-1:], len(played.true), axis=0) for played in rounds]


def swapped(rounds: list[Round]) -> list[np.ndarray]:
    return [played.outcomes[(played.label + 1) % 6] for played in rounds]


@pytest.mark.parametrize("broken", [still, swapped])
def test_frames_of_another_action_choose_it(
    rounds: list[Round], broken: Callable[[list[Round]], list[np.ndarray]]
) -> None:
    assert choose(rounds, broken(rounds)).right <= 2


def test_noise_chooses_about_blindly(rounds: list[Round]) -> None:
    many = rounds * 4
    found = step_wise_choice(
        many, noise([played.true for played in many]), num_candidates=4, rng=np.random.default_rng(0)
    )
    assert found.right / found.n < found.chance + 0.2


def test_idling_is_always_a_candidate_and_none_comes_twice(rounds: list[Round]) -> None:
    for played in rounds:
        labels = draw_candidates(played, 4, np.random.default_rng(0))
        assert labels[0] == played.label and 6 in labels
        pictures = {played.outcomes[label].tobytes() for label in labels}
        assert len(pictures) == len(labels) <= 4


def test_of_equals_the_last_is_taken() -> None:
    futures = np.zeros((3, 1, 4, 4, 3), np.uint8)
    assert nearest_future(futures[0], futures) == 2


def test_json_holds_share_and_chance() -> None:
    data = Choices(right=3, n=4, chance=0.25).to_json()
    assert (data["share"], data["n"], data["chance"]) == (0.75, 4, 0.25)
