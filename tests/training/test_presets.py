"""Presets: an untrained world model takes its shapes, texts and rewards from the dataset."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.worlds import FRAME_SIZE, Slide, tiny_autoencoder, tiny_dataset, tiny_size
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture
from wm_gym.data.recording import random_policy, record
from wm_gym.training.presets import (
    MAX_STARTS,
    WorldModelSize,
    start_frames,
    untrained_world_model,
)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def test_starts_are_first_observations_over_the_whole_dataset(dataset: Dataset) -> None:
    starts = start_frames(dataset)
    assert starts.shape == (len(dataset), 1, *FRAME_SIZE, 3)
    assert len(dataset) < MAX_STARTS
    for index, episode in enumerate(dataset):
        assert torch.equal(starts[index], torch.from_numpy(episode.observations[0]))


def test_card_repeats_what_the_dataset_says(dataset: Dataset) -> None:
    card = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size()).card
    world = card.worlds["slide"]
    assert (list(card.worlds), card.frame_size, card.chunk_frames) == (["slide"], FRAME_SIZE, 1)
    assert world.render_fps == Slide.metadata["render_fps"]
    assert world.action_phrases == Slide.action_phrases
    assert world.key_map == Slide.key_map
    assert world.reward_range == (0.0, 1.0)


def test_phrases_of_a_dataset_without_a_table_are_its_texts(dataset: Dataset) -> None:
    bare = Dataset(dataset.folder, replace(dataset.manifest, action_phrases={}, render_fps=0), dataset.entries)
    card = untrained_world_model(Mixture((bare,)), tiny_autoencoder(), tiny_size()).card.worlds["slide"]
    assert card.action_phrases == {text: (text,) for text in dataset.action_texts}
    assert card.render_fps == 10


@pytest.mark.parametrize("chunk_frames", [1, 2])
def test_parts_fit_the_frames(tmp_path: Path, chunk_frames: int) -> None:
    model = untrained_world_model(Mixture((tiny_dataset(tmp_path, chunk_frames, 2),)), tiny_autoencoder(), tiny_size())
    assert model.encoder.num_tokens == chunk_frames * 4
    assert model.decoder.config.chunk_frames == chunk_frames
    assert model.decoder.config.latent_size == (4, 4)
    assert model.transition.round_tokens == chunk_frames * 4 + 4 + 3


def test_sizes_are_taken_over(dataset: Dataset) -> None:
    model = untrained_world_model(
        Mixture((dataset,)), tiny_autoencoder(), replace(tiny_size(), window_chunks=3, history_rounds=5)
    )
    assert model.decoder.config.window_chunks == 3
    assert model.transition.history_rounds == 5
    assert model.transition.width == 24
    assert len(model.decoder.transformer.blocks) == 2


def test_weights_follow_the_seed_alone(dataset: Dataset) -> None:
    def weights(seed: int, before: int) -> torch.Tensor:
        torch.manual_seed(before)
        model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), replace(tiny_size(), seed=seed))
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    assert torch.equal(weights(0, before=1), weights(0, before=2))
    assert not torch.equal(weights(0, before=1), weights(1, before=1))


def test_building_leaves_torchs_generator_alone(dataset: Dataset) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size())
    assert torch.equal(torch.rand(1), expected)


def test_the_given_autoencoder_is_used(dataset: Dataset) -> None:
    autoencoder = tiny_autoencoder()
    assert untrained_world_model(Mixture((dataset,)), autoencoder, tiny_size()).autoencoder is autoencoder


@pytest.mark.parametrize("frame_size", [(32, 24), (20, 32)])
def test_frames_that_leave_a_rim_are_refused(tmp_path: Path, frame_size: tuple[int, int]) -> None:
    env = Slide()
    dataset = record(
        env, random_policy, output=tmp_path, num_episodes=1, max_steps=2, frame_size=frame_size, progress=False
    )
    with pytest.raises(ValueError, match="frame_size must be a multiple of 16 pixels .* got .*; record with another"):
        untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size())


def test_frames_need_not_be_square(tmp_path: Path) -> None:
    dataset = record(
        Slide(), random_policy, output=tmp_path, num_episodes=1, max_steps=2, frame_size=(32, 48), progress=False
    )
    model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size()).eval()
    _, output = model.step(model.reset(model.starts["slide"], seeds=[0]), ["wait"])
    assert output.frames.shape == (1, 1, 32, 48, 3)


def test_default_size_is_the_shipped_one(dataset: Dataset) -> None:
    autoencoder: PatchAutoencoder = PatchAutoencoder.build(PatchAutoencoderConfig())
    model = untrained_world_model(Mixture((dataset,)), autoencoder)
    assert model.transition.width == WorldModelSize().transition_width
    assert 1e6 < sum(parameter.numel() for parameter in model.parameters()) < 4e6
