"""A mixture gives every world the same share of every batch."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.episodes import make_episode, make_manifest
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.manifest import DatasetError, Manifest
from wm_gym.data.mixture import Mixture, MixtureSampler, open_mixture

STEERED = replace(make_manifest(), world="steered", control_low=(-2.0, 0.0), control_high=(2.0, 1.0))


def write(folder: Path, manifest: Manifest, *, numeric: bool = False, frames: int = 5) -> Dataset:
    """Two episodes; in a numeric one the first action of each is a text and the others are numbers."""
    with DatasetWriter.open(folder, manifest) as writer:
        for number in range(2):
            episode = make_episode(number, num_steps=frames)
            if numeric:
                controls = np.tile(np.array([1.0, 0.25], np.float32), (frames, 1))
                controls[0] = np.nan
                texts = ("turn", *[""] * (frames - 1))
                episode = replace(episode, actions=texts, controls=controls)
            writer.append(episode)
    return Dataset.open(folder)


@pytest.fixture
def mixture(tmp_path: Path) -> Mixture:
    return Mixture((write(tmp_path / "a", make_manifest()), write(tmp_path / "b", STEERED, numeric=True)))


def test_every_world_has_its_rows_in_every_batch(mixture: Mixture) -> None:
    batch = MixtureSampler(mixture, num_rounds=3, batch_size=6).sample(4)
    assert batch.observations.shape == (6, 4, 2, 4, 6, 3)
    assert np.isnan(batch.controls[:3]).all()
    assert np.isfinite(batch.controls[3:]).any()


def test_actions_index_the_texts_of_all_worlds(mixture: Mixture) -> None:
    batch = MixtureSampler(mixture, num_rounds=5, batch_size=2).sample(0)
    texts = [mixture.action_texts[row] for row in batch.actions[0]]
    assert texts == ["wait", "turn left", "öffne \U0001f6aa", "wait", "turn left"]
    assert mixture.action_texts[batch.actions[1, 0]] == "turn"


def test_numbers_are_scaled_to_one(mixture: Mixture) -> None:
    batch = MixtureSampler(mixture, num_rounds=5, batch_size=2).sample(0)
    np.testing.assert_allclose(batch.controls[1, 1:], np.tile([0.5, -0.5], (4, 1)), atol=1e-6)
    assert np.isnan(batch.controls[1, 0]).all()


def test_one_dataset_draws_as_it_did_alone(tmp_path: Path) -> None:
    dataset = write(tmp_path / "a", make_manifest())
    sampler = MixtureSampler(Mixture((dataset,)), num_rounds=2, batch_size=8, seed=3)
    alone = sampler.samplers[0].sample(7)
    mixed = sampler.sample(7)
    np.testing.assert_array_equal(alone.observations, mixed.observations)
    assert Mixture((dataset,)).fingerprint == dataset.fingerprint


@pytest.mark.parametrize(("changed", "name"), [({"frame_size": (4, 8)}, "frame_size"), ({"chunk_frames": 1}, "chunk_")])
def test_worlds_with_other_frames_are_refused(tmp_path: Path, changed: dict[str, object], name: str) -> None:
    first = write(tmp_path / "a", make_manifest())
    other = Dataset(tmp_path / "b", replace(STEERED, **changed), first.entries)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match=f"{name}.* must be"):
        Mixture((first, other))


def test_two_datasets_of_one_world_are_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "a", make_manifest())
    with pytest.raises(DatasetError, match="one dataset a world, got several of tiny"):
        Mixture((first, first))


def test_no_folder_is_refused() -> None:
    with pytest.raises(DatasetError, match="at least one dataset folder"):
        open_mixture([])


def test_a_batch_that_cannot_be_shared_is_refused(mixture: Mixture) -> None:
    with pytest.raises(ValueError, match="batch_size must be a multiple of the 2 worlds, got 3"):
        MixtureSampler(mixture, num_rounds=2, batch_size=3)


def test_world_events_index_the_texts_of_all_worlds(tmp_path: Path) -> None:
    datasets = []
    for manifest, event in ((make_manifest(), "it rains"), (STEERED, "a door opens")):
        numbers = np.full((2, len(manifest.control_low)), np.nan, np.float32) if manifest.control_low else None
        episode = replace(make_episode(1, num_steps=2), controls=numbers, world_events=("", event))
        with DatasetWriter.open(tmp_path / manifest.world, manifest) as writer:
            writer.append(episode)
        datasets.append(Dataset.open(tmp_path / manifest.world))
    mixture = Mixture(tuple(datasets))
    batch = MixtureSampler(mixture, num_rounds=2, batch_size=2).sample(0)
    texts = [[mixture.event_texts[event] for event in row] for row in batch.world_events]
    assert texts == [["", "it rains"], ["", "a door opens"]]
