"""The training commands: one dataclass a stage, whose fields are the command line's options."""

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from wm_gym.checkpoint import SHIPPED, WEIGHTS, shipped_names
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.data.mixture import Mixture, MixtureSampler, open_mixture
from wm_gym.training.autoencoder_stage import AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.loop import LoopConfig, TrainResult, train
from wm_gym.training.presets import WorldModelSize, untrained_world_model
from wm_gym.training.processes import Processes, joined
from wm_gym.training.rollout_pictures import RolloutPicturesConfig, rollout_pictures
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig


@dataclass(frozen=True, kw_only=True)
class TrainAutoencoder:
    """Train the autoencoder on the frames of one or more worlds.

    Attributes:
        data: dataset folders that `wm-gym record` wrote, one a world.
        output: folder for the autoencoder, training checkpoints and TensorBoard logs; resumes when it holds some.
        shape: sizes of the network.
        stage: what the loss depends on.
        loop: how to train.
        device: where to train, as torch names it.
    """

    data: tuple[Path, ...]
    output: Path
    shape: PatchAutoencoderConfig = field(default_factory=PatchAutoencoderConfig)
    stage: AutoencoderStageConfig = field(default_factory=AutoencoderStageConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(num_iterations=3000, learning_rate=2e-3, warmup_iterations=100)
    )
    device: str = "cpu"

    def run(self, progress: bool = True) -> TrainResult:
        """Train, together with the processes that a launcher started; returns how it ended."""
        with joined(self.device) as processes:
            return self._train(processes, progress)

    def _train(self, processes: Processes, progress: bool) -> TrainResult:
        mixture = open_mixture(self.data)
        if any(pixels % self.shape.patch_size for pixels in mixture.frame_size):
            raise ValueError(
                f"frame_size must be a multiple of {self.shape.patch_size} pixels in height and width, got "
                f"{mixture.frame_size}; record with another frame_size"
            )
        batch_size = whole_share(self.stage.batch_size, mixture)
        shard = (processes.rank, processes.count)
        sampler = MixtureSampler(mixture, num_rounds=1, batch_size=batch_size, seed=self.loop.seed, shard=shard)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.loop.seed)
            autoencoder = PatchAutoencoder.build(self.shape).to(processes.device(self.device))
        stage = AutoencoderStage(autoencoder, sampler, self.stage, processes)
        described = {**stage.describe(), "data": mixture.fingerprint}
        return train(stage, self.loop, self.output, stage_config=described, progress=progress, processes=processes)


@dataclass(frozen=True, kw_only=True)
class TrainWorldModel:
    """Train all of a world model of one or more worlds but its autoencoder, which was trained before.

    Attributes:
        data: dataset folders that `wm-gym record` wrote, one a world.
        autoencoder: a folder that `wm-gym train autoencoder` wrote, or a checkpoint's folder or shipped name.
        output: folder for the checkpoint, training checkpoints and TensorBoard logs; resumes when it holds some.
        size: sizes of the networks.
        stage: what the loss depends on.
        loop: how to train.
        rollouts: rollouts beside the truth, shown with the curves.
        device: where to train, as torch names it.
    """

    data: tuple[Path, ...]
    autoencoder: Path
    output: Path
    size: WorldModelSize = field(default_factory=WorldModelSize)
    stage: WorldModelStageConfig = field(default_factory=WorldModelStageConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(num_iterations=8500, learning_rate=1e-3, warmup_iterations=300)
    )
    rollouts: RolloutPicturesConfig = field(default_factory=RolloutPicturesConfig)
    device: str = "cpu"

    def run(self, progress: bool = True) -> TrainResult:
        """Train, together with the processes that a launcher started; returns how it ended."""
        with joined(self.device) as processes:
            return self._train(processes, progress)

    def _train(self, processes: Processes, progress: bool) -> TrainResult:
        mixture, home = open_mixture(self.data), locate_autoencoder(self.autoencoder)
        model = untrained_world_model(mixture, read_autoencoder(home), self.size).to(processes.device(self.device))
        origin = hashlib.sha256((home / "autoencoder" / WEIGHTS).read_bytes()).hexdigest()
        sampler = MixtureSampler(
            mixture,
            num_rounds=self.stage.num_rounds,
            batch_size=whole_share(self.stage.batch_size, mixture),
            seed=self.loop.seed,
            event_fraction=self.stage.event_fraction,
            num_lead=math.ceil(self.size.past_frames / mixture.chunk_frames) - 1,
            still_fraction=self.stage.still_fraction,
            shard=(processes.rank, processes.count),
        )
        stage = WorldModelStage(model, sampler, self.stage, processes)
        described = {
            **stage.describe(),
            "size": self.size.describe(),
            "data": mixture.fingerprint,
            "autoencoder": origin,
        }
        return train(
            stage,
            self.loop,
            self.output,
            stage_config=described,
            progress=progress,
            processes=processes,
            pictures=rollout_pictures(self.rollouts, model, mixture),
        )


def whole_share(batch_size: int, mixture: Mixture) -> int:
    """The batch size, rounded up to a multiple of the number of worlds."""
    num_worlds = len(mixture.worlds)
    return -(-batch_size // num_worlds) * num_worlds


def locate_autoencoder(name_or_folder: Path) -> Path:
    """The folder of an autoencoder: the path itself, or a shipped checkpoint's where there is none of that name."""
    shipped = SHIPPED / name_or_folder
    return shipped if not name_or_folder.exists() and (shipped / "autoencoder").is_dir() else name_or_folder


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
            f"autoencoder must be a folder that 'wm-gym train autoencoder' wrote, or one of {shipped_names()}, got "
            f"{folder} ({error}); train one first"
        ) from error
    return autoencoder
