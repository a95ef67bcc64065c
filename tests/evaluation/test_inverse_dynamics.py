"""The inverse-dynamics classifier, on a tile that slides by four pixels on noise."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wm_gym.evaluation.inverse_dynamics import InverseDynamics, source_of, train_inverse_dynamics
from wm_gym.evaluation.probes import Cases, Probes, Vocabulary

SIZE = (32, 32)
VOCABULARY = Vocabulary(world="slide", visible=("left", "right", "down"), idle="wait", num_steps=1)
RED = (220, 30, 30)
MOVES = ((0, -4), (0, 4), (4, 0), (0, 0))


def slide(num_moments: int, seed: int) -> Cases:
    """All actions from random places."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(0, 60, (num_moments, *SIZE, 3), dtype=np.uint8)
    clips = np.repeat(ground[:, None], 2, axis=1)
    outcomes = np.repeat(ground[:, None, None], len(MOVES), axis=1)
    for moment, (row, column) in enumerate(rng.integers(4, SIZE[0] - 12, (num_moments, 2))):
        clips[moment, :, row : row + 8, column : column + 8] = RED
        for action, (down, right) in enumerate(MOVES):
            corner = row + down, column + right
            outcomes[moment, action, :, corner[0] : corner[0] + 8, corner[1] : corner[1] + 8] = RED
    all_of_them = np.ones((num_moments, len(MOVES)), dtype=bool)
    probes = Probes(vocabulary=VOCABULARY, clips=clips, outcomes=outcomes, valid=all_of_them, chosen=all_of_them)
    return probes.cases()


@pytest.fixture(scope="module")
def classifier() -> InverseDynamics:
    return train_inverse_dynamics(slide(100, seed=0), num_iterations=60)


def test_classifier_tells_actions_from_unseen_places(classifier: InverseDynamics) -> None:
    cases = slide(50, seed=1)
    assert np.mean(classifier.predict(cases.clips, cases.outcomes) == cases.labels) >= 0.97


def test_still_frames_are_idling(classifier: InverseDynamics) -> None:
    cases = slide(13, seed=2)
    predicted = classifier.predict(cases.clips, cases.clips[:, -1:])
    assert np.mean(predicted == VOCABULARY.names.index("wait")) >= 0.97


def test_same_seed_trains_the_same_classifier() -> None:
    first, second = (train_inverse_dynamics(slide(10, seed=0), num_iterations=3) for _ in range(2))
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train_inverse_dynamics(slide(10, seed=0), num_iterations=1)
    torch.testing.assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_every_iteration_is_told() -> None:
    told: list[int] = []
    train_inverse_dynamics(slide(10, seed=0), num_iterations=3, on_iteration=lambda: told.append(1))
    assert len(told) == 3


def test_saved_classifier_predicts_the_same(classifier: InverseDynamics, tmp_path: Path) -> None:
    cases, path = slide(8, seed=3), tmp_path / "deep" / "slide.safetensors"
    classifier.save(path, "these probes")
    found = InverseDynamics.load(path, VOCABULARY, SIZE, "these probes")
    assert found is not None
    expected = classifier.predict(cases.clips, cases.outcomes)
    np.testing.assert_array_equal(found.predict(cases.clips, cases.outcomes), expected)


def test_classifier_of_other_probes_is_not_loaded(classifier: InverseDynamics, tmp_path: Path) -> None:
    path = tmp_path / "slide.safetensors"
    assert InverseDynamics.load(path, VOCABULARY, SIZE, "x") is None
    classifier.save(path, "these probes")
    assert InverseDynamics.load(path, VOCABULARY, SIZE, "other probes") is None
    path.write_bytes(b"nothing")
    assert InverseDynamics.load(path, VOCABULARY, SIZE, "these probes") is None


def test_source_tells_probes_apart() -> None:
    sources = {source_of(slide(10, seed=0), 10), source_of(slide(10, seed=1), 10), source_of(slide(10, seed=0), 11)}
    assert len(sources) == 3
    assert source_of(slide(10, seed=0), 10) in sources
