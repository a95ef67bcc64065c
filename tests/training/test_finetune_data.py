"""Recordings go together: several of one world, and those of old worlds beside those of new ones."""

from pathlib import Path

import pytest

from tests.training.finetuning import swim_dataset
from tests.worlds import tiny_dataset, tiny_world_model
from wm_gym.data.manifest import DatasetError
from wm_gym.training.finetune_data import FinetuneData
from wm_gym.world_card import ModelCard


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of `Slide`, twice, and of `Swim`."""
    folder = tmp_path_factory.mktemp("recordings")
    tiny_dataset(folder / "slide")
    tiny_dataset(folder / "layout", num_episodes=2)
    swim_dataset(folder / "swim")
    return folder


@pytest.fixture(scope="module")
def card(folder: Path) -> ModelCard:
    return tiny_world_model(folder / "slide").card


def test_recordings_of_one_world_are_told_apart(card: ModelCard, folder: Path) -> None:
    data = FinetuneData.open(card, [folder / "layout", folder / "swim"], [folder / "slide"])
    assert data.mixture.worlds == ("slide", "swim", "slide-2")
    assert [dataset.folder.name for dataset in data.mixture.datasets] == ["layout", "swim", "slide"]


def test_worlds_that_no_recording_shows_are_named(card: ModelCard, folder: Path) -> None:
    assert FinetuneData.open(card, [folder / "swim"], []).unseen(card) == ["slide"]
    assert FinetuneData.open(card, [folder / "swim"], [folder / "slide"]).unseen(card) == []
    assert FinetuneData.open(card, [folder / "layout"], []).unseen(card) == []


def test_data_must_be_there(card: ModelCard) -> None:
    with pytest.raises(DatasetError, match="data must name at least one dataset folder, got none; record one"):
        FinetuneData.open(card, [], [])


def test_replay_of_an_unknown_world_is_refused(card: ModelCard, folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"replay must hold recordings of the checkpoint's worlds, slide, got swim"):
        FinetuneData.open(card, [folder / "slide"], [folder / "swim"])


def test_replay_must_have_the_checkpoints_frames(card: ModelCard, tmp_path: Path) -> None:
    wide = swim_dataset(tmp_path, chunk_frames=2).folder
    with pytest.raises(DatasetError, match="chunk_frames of .* must be 1"):
        FinetuneData.open(card, [wide], [wide])
