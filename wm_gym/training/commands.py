"""The training commands: one dataclass a stage, whose fields are the command line's options."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from wm_gym.checkpoint import WEIGHTS, CheckpointError
from wm_gym.data.dataset import Dataset
from wm_gym.data.segments import SegmentSampler
from wm_gym.training.autoencoder_stage import AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.loop import LoopConfig, TrainResult, train
from wm_gym.training.presets import WorldModelSize, untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage, WorldModelStageConfig


@dataclass(frozen=True, kw_only=True)
class TrainAutoencoder:
    """Train the autoencoder on the frames of a dataset.

    Attributes:
        data: a dataset folder that `wm-gym record` wrote.
        output: folder for the autoencoder, training checkpoints and TensorBoard logs; resumes when it holds some.
        shape: sizes of the network.
        stage: what the loss depends on.
        loop: how to train.
    """

    data: Path
    output: Path
    shape: PatchAutoencoderConfig = field(default_factory=PatchAutoencoderConfig)
    stage: AutoencoderStageConfig = field(default_factory=AutoencoderStageConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(num_iterations=3000, learning_rate=2e-3, warmup_iterations=100)
    )

    def run(self, progress: bool = True) -> TrainResult:
        """Train; returns how it ended."""
        dataset = Dataset.open(self.data)
        if any(pixels % self.shape.patch_size for pixels in dataset.manifest.frame_size):
            raise ValueError(
                f"frame_size must be a multiple of {self.shape.patch_size} pixels in height and width, got "
                f"{dataset.manifest.frame_size}; record with another frame_size"
            )
        sampler = SegmentSampler(dataset, num_rounds=1, batch_size=self.stage.batch_size, seed=self.loop.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.loop.seed)
            autoencoder = PatchAutoencoder.build(self.shape)
        stage = AutoencoderStage(autoencoder, sampler, self.stage)
        described = {**stage.describe(), "data": dataset.fingerprint}
        return train(stage, self.loop, self.output, stage_config=described, progress=progress)


@dataclass(frozen=True, kw_only=True)
class TrainWorldModel:
    """Train encoder, transition, decoder and heads of a world model on a dataset, around a trained autoencoder.

    Attributes:
        data: a dataset folder that `wm-gym record` wrote.
        autoencoder: a folder that `wm-gym train autoencoder` wrote.
        output: folder for the checkpoint, training checkpoints and TensorBoard logs; resumes when it holds some.
        size: sizes of the networks.
        stage: what the loss depends on.
        loop: how to train.
    """

    data: Path
    autoencoder: Path
    output: Path
    size: WorldModelSize = field(default_factory=WorldModelSize)
    stage: WorldModelStageConfig = field(default_factory=WorldModelStageConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(num_iterations=8500, learning_rate=1e-3, warmup_iterations=300)
    )

    def run(self, progress: bool = True) -> TrainResult:
        """Train; returns how it ended."""
        dataset = Dataset.open(self.data)
        model = untrained_world_model(dataset, read_autoencoder(self.autoencoder), self.size)
        origin = hashlib.sha256((self.autoencoder / "autoencoder" / WEIGHTS).read_bytes()).hexdigest()
        sampler = SegmentSampler(
            dataset,
            num_rounds=self.stage.num_rounds,
            batch_size=self.stage.batch_size,
            seed=self.loop.seed,
            event_fraction=self.stage.event_fraction,
        )
        stage = WorldModelStage(model, sampler, self.stage)
        described = {**stage.describe(), "size": asdict(self.size), "data": dataset.fingerprint, "autoencoder": origin}
        return train(stage, self.loop, self.output, stage_config=described, progress=progress)


def read_autoencoder(folder: Path) -> PatchAutoencoder:
    """The autoencoder that `TrainAutoencoder` wrote.

    Raises:
        CheckpointError: the folder holds none.
    """
    home = folder / "autoencoder"
    try:
        config = json.loads((home / "config.json").read_text())
        autoencoder: PatchAutoencoder = PatchAutoencoder(
            **{key: value for key, value in config.items() if key[0] != "_"}
        )
        autoencoder.load_state_dict(load_file(home / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"autoencoder must be a folder that 'wm-gym train autoencoder' wrote, got {folder} ({error}); "
            "train one first"
        ) from error
    return autoencoder
