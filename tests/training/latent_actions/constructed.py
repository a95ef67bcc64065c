"""Latent actions small enough for tests: of the tile that slides."""

from dataclasses import replace
from pathlib import Path

import torch

from tests.worlds import tiny_autoencoder
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.latent_actions.command import TrainLatentActions
from wm_gym.training.latent_actions.model import LatentActionConfig, LatentActionModel
from wm_gym.training.latent_actions.pairs import hold_out
from wm_gym.training.latent_actions.stage import LatentActionStage, LatentActionStageConfig
from wm_gym.training.loop import LoopConfig

SHAPE = LatentActionConfig(num_codes=4, code_width=4, width=16, num_blocks=1, num_pools=1)


def tiny_latent_actions(num_codes: int = 4) -> LatentActionModel:
    """An untrained model of `Slide`'s changes, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shape = LatentActionConfig(num_codes=num_codes, code_width=4, width=16, num_blocks=1, num_pools=1)
        return LatentActionModel(shape, latent_channels=4, chunk_frames=1)


def tiny_stage(dataset: Dataset, model: LatentActionModel | None = None, batch_size: int = 8) -> LatentActionStage:
    """A stage on a dataset of `Slide`, a third of it held out."""
    config = LatentActionStageConfig(batch_size=batch_size, held_out=0.34)
    trained, held_out = hold_out(Mixture((dataset,)), config.held_out)
    sampler = MixtureSampler(trained, num_rounds=1, batch_size=batch_size)
    return LatentActionStage(model or tiny_latent_actions(), tiny_autoencoder(), sampler, held_out, config)


def write_autoencoder(folder: Path) -> Path:
    """The autoencoder of the tests as `wm-gym train autoencoder` would leave it."""
    tiny_autoencoder().save_pretrained(folder / "autoencoder", safe_serialization=True)
    return folder


def training(data: Path, autoencoder: Path, output: Path, num_iterations: int = 3) -> TrainLatentActions:
    """A short training."""
    return TrainLatentActions(
        data=(data,),
        autoencoder=autoencoder,
        output=output,
        shape=SHAPE,
        stage=LatentActionStageConfig(batch_size=32),
        loop=LoopConfig(num_iterations=num_iterations, learning_rate=5e-3, warmup_iterations=10, ema_decay=0.95),
    )


def with_texts(dataset: Dataset, output: Path, text: str | None) -> Dataset:
    """The same recording in which every action is called `text`, as a video's would be; None keeps them."""
    with DatasetWriter.open(output, dataset.manifest) as writer:
        for episode in dataset:
            actions = episode.actions if text is None else (text,) * episode.num_steps
            writer.append(replace(episode, actions=actions))
    return Dataset.open(output)
