"""Fine-tuning: a trained checkpoint goes on with recordings of a world that it knows, or of a new one.

Full or low-rank (`lora`), beside recordings of the old worlds where these shall not be forgotten; each recording has
the same share of every batch. The autoencoder stays as it is unless asked for; then it is fine-tuned first, and the
rest around it.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from wm_gym.data.dataset import Dataset
from wm_gym.training.autoencoder_stage import AutoencoderStageConfig
from wm_gym.training.dry_run import TrainingPlan
from wm_gym.training.finetune_config import FinetuneConfig, finetune_autoencoder_loop, finetune_loop
from wm_gym.training.loop import LoopConfig, TrainResult
from wm_gym.training.processes import ALONE, Processes, joined
from wm_gym.training.rollout_pictures import RolloutPicturesConfig
from wm_gym.training.tuning import Tuning
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.transition.memory_bank import MemoryConfig

Recording: TypeAlias = str | os.PathLike[str] | Dataset


@dataclass(frozen=True, kw_only=True)
class Finetune(FinetuneConfig):
    """Fine-tune a checkpoint on recordings of a world that it knows, or of a new one, which is added to its card."""

    def run(self, progress: bool = True) -> TrainResult:
        """Train, together with the processes that a launcher started; returns how it ended."""
        with joined(self.device) as processes:
            tuning = self._prepare(processes)
            if self.autoencoder:
                result = tuning.train_autoencoder(progress)
                if result.interrupted:
                    return result
            return tuning.train_world_model(progress)

    def plan(self) -> list[TrainingPlan]:
        """What each training would take, the autoencoder's first; nothing is written."""
        return self._prepare(ALONE).plan()

    def _prepare(self, processes: Processes) -> Tuning:
        self.check()
        processes.wait()  # until all have looked at the output folder
        return Tuning(replace(self, device=processes.device(self.device)), processes)


def finetune(
    checkpoint: str | os.PathLike[str],
    data: Recording | Sequence[Recording],
    *,
    output: str | os.PathLike[str],
    replay: Recording | Sequence[Recording] = (),
    lora_rank: int = 0,
    memory_rounds: int = 0,
    memory_recency: float = MemoryConfig.recency,
    past_frames: int = 0,
    autoencoder: bool = False,
    stage: WorldModelStageConfig | None = None,
    loop: LoopConfig | None = None,
    autoencoder_stage: AutoencoderStageConfig | None = None,
    autoencoder_loop: LoopConfig | None = None,
    rollouts: RolloutPicturesConfig | None = None,
    device: str = "cpu",
    progress: bool = True,
) -> TrainResult:
    """Fine-tune a checkpoint on recordings; then `gym.make("wm_gym/World-v0", checkpoint=output)` makes the env.

    Run again after a stop, it goes on where it was. The options are those of `Finetune`.

    Args:
        checkpoint: a shipped name or a folder; it stays as it is.
        data: one or more recordings, of worlds that the checkpoint knows or of new ones: folders, or opened.
        output: folder of the new checkpoint.
        replay: recordings of worlds that the checkpoint knows, against forgetting.
        lora_rank: rank of low-rank updates; 0 trains every weight.
        memory_rounds: rounds that a model without memory learns to recall; 0 leaves it as it is.
        memory_recency: weight of the oldest round of such a memory, where the newest has 1.
        past_frames: latent frames that the decoder learns to look back; 0 leaves it as it is.
        autoencoder: whether to fine-tune the autoencoder first.
        stage: what the world model's loss depends on.
        loop: how to train the world model; default `finetune_loop()`.
        autoencoder_stage: what the autoencoder's loss depends on.
        autoencoder_loop: how to train the autoencoder; default `finetune_autoencoder_loop()`.
        rollouts: rollouts beside the truth, shown with the curves; by default none.
        device: where to train.
        progress: whether to show a bar.

    Returns:
        How it ended.

    Raises:
        CheckpointError: no such checkpoint.
        DatasetError: a recording that is not whole or does not fit the checkpoint.
        TrainingError: what stops a training (see `train`), or no `peft` for low-rank updates.
        ValueError: an option out of its range.
    """
    config = Finetune(
        checkpoint=os.fspath(checkpoint),
        data=_folders(data),
        output=Path(output),
        replay=_folders(replay),
        lora_rank=lora_rank,
        memory_rounds=memory_rounds,
        memory_recency=memory_recency,
        past_frames=past_frames,
        autoencoder=autoencoder,
        stage=stage or WorldModelStageConfig(),
        loop=loop or finetune_loop(),
        autoencoder_stage=autoencoder_stage or AutoencoderStageConfig(),
        autoencoder_loop=autoencoder_loop or finetune_autoencoder_loop(),
        rollouts=rollouts or RolloutPicturesConfig(),
        device=device,
    )
    return config.run(progress)


def _folders(recordings: Recording | Sequence[Recording]) -> tuple[Path, ...]:
    single = isinstance(recordings, str | os.PathLike | Dataset)
    several: Sequence[Recording] = [recordings] if single else recordings  # type: ignore[list-item, assignment]
    return tuple(each.folder if isinstance(each, Dataset) else Path(each) for each in several)
