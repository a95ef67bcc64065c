"""What to fine-tune, on what, and how."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from wm_gym.checkpoint import locate
from wm_gym.checkpoint_manifest import MANIFEST
from wm_gym.training.autoencoder_stage import AutoencoderStageConfig
from wm_gym.training.loop_config import LoopConfig
from wm_gym.training.rollout_pictures import RolloutPicturesConfig
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.transition.memory_bank import MemoryConfig


def finetune_loop() -> LoopConfig:
    """How to fine-tune a world model."""
    return LoopConfig(num_iterations=2000, learning_rate=5e-4, warmup_iterations=100)


def finetune_autoencoder_loop() -> LoopConfig:
    """How to fine-tune an autoencoder."""
    return LoopConfig(num_iterations=1500, learning_rate=1e-3, warmup_iterations=100)


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """What to fine-tune, on what, and how.

    Attributes:
        checkpoint: a shipped name or a checkpoint's folder; it stays as it is.
        data: dataset folders that `wm-gym record` wrote, with the checkpoint's frame size.
        output: folder for the new checkpoint, training checkpoints and TensorBoard logs; resumes when it holds some.
        replay: dataset folders of worlds that the checkpoint knows, trained on too, so that they are not forgotten.
        lora_rank: train low-rank updates of this rank in transition and decoder, then add them to the weights; 0 trains
            every weight.
        memory_rounds: rounds that a model without memory learns to recall; 0 leaves it as it is.
        memory_recency: weight of the oldest round of such a memory, where the newest has 1, from then on; above 1 may
            suit places that never change.
        past_frames: latent frames that the decoder learns to look back, more than it does: two show how things move; 0
            leaves it as it is.
        autoencoder: fine-tune the autoencoder before the rest, for worlds that it cannot show.
        dry_run: say what it would take and stop; nothing is written.
        stage: what the world model's loss depends on.
        loop: how to train the world model.
        autoencoder_stage: what the autoencoder's loss depends on.
        autoencoder_loop: how to train the autoencoder.
        rollouts: rollouts beside the truth, shown with the world model's curves.
        device: where to train, as torch names it.
    """

    checkpoint: Positional[Annotated[str, arg(metavar="CHECKPOINT")]]
    data: Positional[Annotated[tuple[Path, ...], arg(metavar="DATA")]]
    output: Path
    replay: tuple[Path, ...] = ()
    lora_rank: int = 0
    memory_rounds: int = 0
    memory_recency: float = MemoryConfig.recency
    past_frames: int = 0
    autoencoder: bool = False
    dry_run: bool = False
    stage: WorldModelStageConfig = field(default_factory=WorldModelStageConfig)
    loop: LoopConfig = field(default_factory=finetune_loop)
    autoencoder_stage: AutoencoderStageConfig = field(default_factory=AutoencoderStageConfig)
    autoencoder_loop: LoopConfig = field(default_factory=finetune_autoencoder_loop)
    rollouts: RolloutPicturesConfig = field(default_factory=RolloutPicturesConfig)
    device: str = "cpu"

    def check(self) -> None:
        """Refuses what cannot be done.

        Raises:
            ValueError: an option is out of its range, or does not go with another.
        """
        if self.lora_rank < 0:
            raise ValueError(f"lora_rank must be at least 0, got {self.lora_rank}; 0 trains every weight")
        if self.lora_rank and self.loop.shard:
            raise ValueError(f"lora_rank must be 0 with loop.shard, got {self.lora_rank}; low-rank training needs none")
        if self.past_frames < 0:
            raise ValueError(f"past_frames must be at least 0, got {self.past_frames}; 0 leaves the decoder as it is")
        if self.lora_rank and (self.past_frames or self.memory_rounds):
            raise ValueError(
                f"lora_rank must be 0 with past_frames or memory_rounds, got {self.lora_rank}: low-rank updates do not "
                "reach the decoder's input"
            )
        if self.memory_recency != MemoryConfig.recency and not self.memory_rounds:
            raise ValueError(
                f"memory_recency must be {MemoryConfig.recency} without memory_rounds, got {self.memory_recency}: a "
                "memory keeps what it was given with; name memory_rounds, or leave it out"
            )
        trained = self.stage.trained_parts
        if self.memory_rounds and trained is not None and not {"transition", "decoder"} <= set(trained):
            raise ValueError(
                f"trained_parts must name transition and decoder with memory_rounds, got {trained}: the one learns "
                "what to recall and the other to draw it"
            )
        source, output = locate(self.checkpoint).resolve(), self.output.resolve()
        if output == source or ((output / MANIFEST).exists() and not (output / "training").exists()):
            raise ValueError(
                f"output must be a new folder or that of a fine-tuning to go on with, got {self.output}, which holds "
                "another checkpoint; choose another folder"
            )
