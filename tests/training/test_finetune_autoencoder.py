"""How well an autoencoder shows a recording: every distinct patch counts once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.finetuning import swim_dataset
from tests.worlds import tiny_autoencoder, tiny_dataset
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.training.finetune_autoencoder import reconstruction_psnr


def grey_autoencoder(level: int) -> PatchAutoencoder:
    """An autoencoder that shows every patch in one grey."""
    autoencoder = tiny_autoencoder()
    with torch.no_grad():
        for parameter, value in zip(autoencoder.decoder[-2].parameters(), (0.0, level / 127.5 - 1), strict=True):
            parameter.fill_(value)
    return autoencoder


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("slide"))


def test_every_distinct_patch_counts_once(slide: Dataset) -> None:
    """Floor, goal and tile of `Slide`, of which 14 cells of 16 are floor."""
    colours = np.array([(60, 60, 60), (0, 200, 0), (220, 30, 30)])
    expected = -10 * np.log10((((colours - 60) / 255) ** 2).mean())
    assert reconstruction_psnr(grey_autoencoder(60), slide) == pytest.approx(expected, abs=0.01)


def test_what_is_far_off_counts_as_far_off(slide: Dataset) -> None:
    assert reconstruction_psnr(grey_autoencoder(255), slide) < reconstruction_psnr(grey_autoencoder(60), slide)


def test_chunks_of_several_frames_are_measured_too(tmp_path: Path) -> None:
    assert 0 < reconstruction_psnr(tiny_autoencoder(), swim_dataset(tmp_path, chunk_frames=2)) < 20


def test_a_perfect_picture_has_a_finite_figure(slide: Dataset, tmp_path: Path) -> None:
    episode = slide[0]
    with DatasetWriter.open(tmp_path, slide.manifest) as writer:
        writer.append(replace(episode, observations=np.full_like(episode.observations, 60)))
    assert reconstruction_psnr(grey_autoencoder(60), Dataset.open(tmp_path)) == 100
