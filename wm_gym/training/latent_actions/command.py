"""`wm-gym train latent-actions`: learn the actions of recordings that tell none."""

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tyro.conf import OmitArgPrefixes

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.checkpoint import SHIPPED, WEIGHTS
from wm_gym.data.mixture import Mixture, MixtureSampler, open_mixture
from wm_gym.training.commands import read_autoencoder, whole_share
from wm_gym.training.dry_run import TrainingPlan, plan_training
from wm_gym.training.latent_actions.model import LatentActionConfig, LatentActionModel
from wm_gym.training.latent_actions.pairs import hold_out
from wm_gym.training.latent_actions.stage import LatentActionStage, LatentActionStageConfig
from wm_gym.training.loop import LoopConfig, TrainResult, train
from wm_gym.training.processes import ALONE, Processes, joined

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainLatentActions:
    """Learn a few latent actions from observations alone; `wm-gym data label` then maps them to texts.

    Attributes:
        data: dataset folders, one a world; their actions and rewards are not read.
        autoencoder: a folder that `wm-gym train autoencoder` wrote, or a checkpoint's folder or shipped name.
        output: folder for the checkpoint, training checkpoints and TensorBoard logs; resumes when it holds some.
        shape: sizes of the network.
        stage: what the loss depends on.
        loop: how to train.
        device: where to train, as torch names it.
        dry_run: count parameters, memory and time, and train nothing.
    """

    data: tuple[Path, ...]
    autoencoder: Path
    output: Path
    shape: OmitArgPrefixes[LatentActionConfig] = field(default_factory=LatentActionConfig)
    stage: LatentActionStageConfig = field(default_factory=LatentActionStageConfig)
    loop: LoopConfig = field(
        default_factory=lambda: LoopConfig(
            num_iterations=3000, learning_rate=2e-3, warmup_iterations=100, ema_decay=0.995
        )
    )
    device: str = "cpu"
    dry_run: bool = False

    def plan(self) -> list[TrainingPlan]:
        """Say what the training would take; nothing is written."""
        stage = self._stage(open_mixture(self.data), ALONE)
        return [plan_training("latent-actions", stage, stage.sampler, self.loop)]

    def run(self, progress: bool = True) -> TrainResult:
        """Train, together with the processes that a launcher started; returns how it ended."""
        with joined(self.device) as processes:
            mixture = open_mixture(self.data)
            stage = self._stage(mixture, processes)
            weights = self._autoencoder_folder / "autoencoder" / WEIGHTS
            described = {
                **stage.describe(),
                "data": mixture.fingerprint,
                "autoencoder": hashlib.sha256(weights.read_bytes()).hexdigest(),
            }
            result = train(
                stage, self.loop, self.output, stage_config=described, progress=progress, processes=processes
            )
            if processes.is_first and stage.gate is not None:  # None: it was done already
                logger.info("%s", stage.gate)
        return result

    def _stage(self, mixture: Mixture, processes: Processes) -> LatentActionStage:
        """The stage, with fresh weights."""
        autoencoder = read_autoencoder(self._autoencoder_folder).eval()
        _check_frames(mixture, autoencoder)
        trained, held_out = hold_out(mixture, self.stage.held_out)
        sampler = MixtureSampler(
            trained,
            num_rounds=1,
            batch_size=whole_share(self.stage.batch_size, mixture),
            seed=self.loop.seed,
            shard=(processes.rank, processes.count),
        )
        device = processes.device(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.loop.seed)
            model = LatentActionModel(self.shape, autoencoder.latent_channels, mixture.chunk_frames).to(device)
        stage = LatentActionStage(model, autoencoder.to(device), sampler, held_out, self.stage, processes)
        stage.start()
        return stage

    @property
    def _autoencoder_folder(self) -> Path:
        shipped = SHIPPED / self.autoencoder
        return shipped if not self.autoencoder.exists() and shipped.is_dir() else self.autoencoder


def _check_frames(mixture: Mixture, autoencoder: PatchAutoencoder) -> None:
    """Refuse frames that do not divide into the autoencoder's patches.

    Raises:
        ValueError: they do not.
    """
    if any(pixels % autoencoder.patch_size for pixels in mixture.frame_size):
        raise ValueError(
            f"frame_size must be a multiple of {autoencoder.patch_size} pixels in height and width, as the autoencoder "
            f"has it, got {mixture.frame_size}; record with another frame_size"
        )
