"""Rollouts are shown beside the truth, and leave the training as it was."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.training.test_commands import train_autoencoder, train_world_model
from tests.worlds import tiny_autoencoder, tiny_dataset, tiny_general_model, tiny_size
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.data.mixture import Mixture
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.rollout_pictures import GAP, RolloutPicturesConfig, rollout_pictures

STEP = 32 + GAP  # pixels from frame to frame


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tiny_dataset(tmp_path_factory.mktemp("data"))


def test_real_frames_are_above_the_dreamt_ones(dataset: Dataset) -> None:
    model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size())
    config = RolloutPicturesConfig(every=10, horizon_steps=4)
    pictures = rollout_pictures(config, model, Mixture((dataset,)))
    assert pictures is not None and pictures.every == 10
    ((title, picture),) = pictures.draw().items()
    assert title == "rollout trained on/0 slide"
    assert picture.shape == (2 * STEP, 5 * STEP, 3) and picture.dtype == np.uint8
    episode = next(each for each in dataset if each.num_steps >= 4)
    state = model.reset(episode.observations[:1], seeds=[0])
    for step in range(5):
        columns = slice(step * STEP, step * STEP + 32)
        np.testing.assert_array_equal(picture[:32, columns], episode.observations[step, -1])
        np.testing.assert_array_equal(picture[STEP : STEP + 32, columns], state.frames[0, -1].numpy())
        state, _ = model.step(state, [episode.actions[step]])


def test_weights_of_now_are_shown(dataset: Dataset) -> None:
    model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size())
    model.decoder.train()
    model.encoder.eval()
    pictures = rollout_pictures(RolloutPicturesConfig(every=1), model, Mixture((dataset,)))
    assert pictures is not None
    random_state = torch.get_rng_state()
    before = next(iter(pictures.draw().values()))
    with torch.no_grad():
        for parameter in model.action_encoder.parameters():  # whose tokens a model keeps for each text
            parameter.add_(torch.linspace(-1, 1, parameter.shape[-1]))
    after = next(iter(pictures.draw().values()))
    assert (before[:32] == after[:32]).all() and (before != after).any()
    assert torch.equal(torch.get_rng_state(), random_state)
    assert model.decoder.training and not model.encoder.training


def test_numbers_are_actions_too(tmp_path: Path) -> None:
    model = tiny_general_model(tmp_path)
    steer = Dataset.open(tmp_path / "steer")
    pictures = rollout_pictures(RolloutPicturesConfig(data=(steer.folder,)), model, Mixture((steer,)))
    assert pictures is not None and pictures.every == 500
    assert list(pictures.draw()) == ["rollout held out/0 steer"]


def test_other_frames_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    other = tiny_dataset(tmp_path / "chunks", chunk_frames=2)
    model = untrained_world_model(Mixture((dataset,)), tiny_autoencoder(), tiny_size())
    with pytest.raises(DatasetError, match="chunk_frames of .* must be 1 as in what is trained on, got 2"):
        rollout_pictures(RolloutPicturesConfig(data=(other.folder,)), model, Mixture((dataset,)))
    assert rollout_pictures(RolloutPicturesConfig(), model, Mixture((dataset,))) is None


@pytest.mark.parametrize("name", ["every", "horizon_steps"])
def test_numbers_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        RolloutPicturesConfig(**{name: 0})  # type: ignore[arg-type]


def test_the_command_writes_them_and_trains_the_same_weights(dataset: Dataset, tmp_path: Path) -> None:
    train_autoencoder(dataset.folder, tmp_path / "ae", num_iterations=1).run(progress=False)
    held_out = tiny_dataset(tmp_path / "held_out", num_episodes=1)
    plain = train_world_model(dataset.folder, tmp_path / "ae", tmp_path / "plain")
    rollouts = RolloutPicturesConfig(data=(held_out.folder,), every=2, horizon_steps=2)
    shown = replace(plain, output=tmp_path / "shown", rollouts=rollouts)
    states = [command.run(progress=False).checkpoint / "state.safetensors" for command in (plain, shown)]
    assert states[0].read_bytes() == states[1].read_bytes()
    curves = EventAccumulator(str(tmp_path / "shown" / "logs"))
    curves.Reload()
    images = curves.Images("rollout held out/0 slide")
    assert [image.step for image in images] == [2]
    assert images[0].height == 2 * STEP
