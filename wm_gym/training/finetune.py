"""Fine-tuning: a trained checkpoint goes on with recordings of a world that it knows, or of a new one.

Full or low-rank (`lora`), beside recordings of the old worlds where these shall not be forgotten; each recording has
the same share of every batch. The autoencoder stays as it is unless asked for; then it is fine-tuned first, and the
rest around it.
"""

import hashlib
import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, TypeAlias

from tyro.conf import Positional, arg

from wm_gym.checkpoint import WEIGHTS, locate
from wm_gym.checkpoint_manifest import MANIFEST
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import MixtureSampler
from wm_gym.training.autoencoder_stage import Anchor, AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.commands import read_autoencoder, whole_share
from wm_gym.training.dry_run import TrainingPlan, plan_training
from wm_gym.training.extended_parts import with_memory, with_past_frames
from wm_gym.training.finetune_autoencoder import LEAST_PSNR, reconstruction_psnr
from wm_gym.training.finetune_data import FinetuneData
from wm_gym.training.finetune_worlds import with_worlds
from wm_gym.training.loop import LoopConfig, Stage, TrainResult, train
from wm_gym.training.lora import LowRankStage, add_low_rank
from wm_gym.training.pictures import Pictures
from wm_gym.training.processes import ALONE, Processes, joined
from wm_gym.training.rollout_pictures import RolloutPicturesConfig, rollout_pictures
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig
from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.world_model import WorldModel

AUTOENCODER_OUTPUT = "finetuned_autoencoder"  # in the output folder

Recording: TypeAlias = str | os.PathLike[str] | Dataset


def finetune_loop() -> LoopConfig:
    """How to fine-tune a world model."""
    return LoopConfig(num_iterations=2000, learning_rate=5e-4, warmup_iterations=100)


def finetune_autoencoder_loop() -> LoopConfig:
    """How to fine-tune an autoencoder."""
    return LoopConfig(num_iterations=1500, learning_rate=1e-3, warmup_iterations=100)


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Fine-tune a checkpoint on recordings of a world that it knows, or of a new one, which is added to its card.

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

    def _prepare(self, processes: Processes) -> "_Tuning":
        self._check()
        processes.wait()  # until all have looked at the output folder
        return _Tuning(replace(self, device=processes.device(self.device)), processes)

    def _check(self) -> None:
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


class _Tuning:
    """A fine-tuning with its checkpoint and its data opened."""

    def __init__(self, config: Finetune, processes: Processes) -> None:
        self._config = config
        self._processes = processes
        parts = WorldModel.from_pretrained(config.checkpoint, config.device).parts()
        self._origin = parts.card.weights_hash
        self._data = FinetuneData.open(parts.card, config.data, config.replay)
        self._parts = with_worlds(parts, self._data.new)
        if config.memory_rounds:
            self._parts = with_memory(self._parts, config.memory_rounds, memory_recency=config.memory_recency)
        if config.past_frames:
            self._parts = with_past_frames(self._parts, config.past_frames)
        if unseen := self._data.unseen(parts.card):
            _logger().info(
                "no recording of %s is trained on, so that it may be forgotten; name one with --replay",
                ", ".join(unseen),
            )
        self._tell_psnr()

    def train_autoencoder(self, progress: bool) -> TrainResult:
        """Fine-tune the autoencoder, and build the rest around it."""
        config, stage = self._config, self._autoencoder_stage()
        folder = config.output / AUTOENCODER_OUTPUT
        described = {**stage.describe(), "data": self._data.mixture.fingerprint, "checkpoint": self._origin}
        result = self._run(stage, config.autoencoder_loop, folder, described, progress)
        if not result.interrupted:
            self._parts = replace(self._parts, autoencoder=read_autoencoder(folder).to(config.device))
            self._tell_psnr()
        return result

    def train_world_model(self, progress: bool) -> TrainResult:
        """Fine-tune all but the autoencoder."""
        config, stage = self._config, self._world_model_stage()
        described = {
            **stage.describe(),
            "data": self._data.mixture.fingerprint,
            "checkpoint": self._origin,
            "lora_rank": config.lora_rank,
            "autoencoder": self._autoencoder_hash() if config.autoencoder else "",
            **_what_was_added(config),
        }
        pictures = rollout_pictures(config.rollouts, stage.model, self._data.mixture)
        return self._run(stage, config.loop, config.output, described, progress, pictures)

    def _run(
        self,
        stage: Stage,
        loop: LoopConfig,
        output: Path,
        described: dict[str, object],
        progress: bool,
        pictures: Pictures | None = None,
    ) -> TrainResult:
        return train(
            stage,
            loop,
            output,
            stage_config=described,
            progress=progress,
            processes=self._processes,
            pictures=pictures,
        )

    def plan(self) -> list[TrainingPlan]:
        """What each training would take."""
        plans = []
        if self._config.autoencoder:
            autoencoder = self._autoencoder_stage()
            plans.append(plan_training("autoencoder", autoencoder, autoencoder.sampler, self._config.autoencoder_loop))
        stage = self._world_model_stage()
        return [*plans, plan_training("world model", stage, stage.sampler, self._config.loop)]

    def _autoencoder_stage(self) -> AutoencoderStage:
        config = self._config.autoencoder_stage
        sampler = MixtureSampler(
            self._data.mixture,
            num_rounds=1,
            batch_size=whole_share(config.batch_size, self._data.mixture),
            seed=self._config.autoencoder_loop.seed,
            shard=(self._processes.rank, self._processes.count),
        )
        autoencoder = self._parts.autoencoder
        anchor = Anchor.of(autoencoder, self._data.mixture.worlds[len(self._data.new) :])
        return AutoencoderStage(autoencoder.train(), sampler, config, self._processes, anchor)

    def _world_model_stage(self) -> WorldModelStage:
        config, most = self._config, self._parts.transition.history_rounds + 1
        stage = replace(config.stage, num_rounds=min(config.stage.num_rounds, most))
        if stage.num_rounds < config.stage.num_rounds:
            _logger().warning("stage.num_rounds is %d: the checkpoint remembers no more rounds", most)
        model = WorldModel(self._parts).to(config.device).train()
        if config.lora_rank:
            add_low_rank(model, config.lora_rank, config.loop.seed)
        sampler = MixtureSampler(
            self._data.mixture,
            num_rounds=stage.num_rounds,
            batch_size=whole_share(stage.batch_size, self._data.mixture),
            seed=config.loop.seed,
            event_fraction=stage.event_fraction,
            num_lead=math.ceil(model.decoder.config.past_frames / self._data.mixture.chunk_frames) - 1,
            still_fraction=stage.still_fraction,
            shard=(self._processes.rank, self._processes.count),
        )
        return (LowRankStage if config.lora_rank else WorldModelStage)(model, sampler, stage, self._processes)

    def _autoencoder_hash(self) -> str:
        weights = self._config.output / AUTOENCODER_OUTPUT / "autoencoder" / WEIGHTS
        return hashlib.sha256(weights.read_bytes()).hexdigest()

    def _tell_psnr(self) -> None:
        """Say how well the autoencoder shows the data, and what to do where that is not well."""
        for dataset in self._data.new:
            psnr = reconstruction_psnr(self._parts.autoencoder, dataset)
            world = dataset.manifest.world
            if psnr >= LEAST_PSNR or self._config.autoencoder:
                _logger().info("the autoencoder shows %s at %.1f dB", world, psnr)
                continue
            _logger().warning(
                "the autoencoder shows %s at %.1f dB, below %g dB (distinct patches counted once): what it cannot show "
                "is lost; fine-tune it too with --autoencoder",
                world,
                psnr,
                LEAST_PSNR,
            )


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


def _what_was_added(config: Finetune) -> dict[str, object]:
    """What a resume must keep of it; named only where it is used, so that older trainings go on."""
    added: dict[str, object] = {"memory_rounds": config.memory_rounds, "past_frames": config.past_frames}
    if config.memory_rounds and config.memory_recency != MemoryConfig.recency:
        added["memory_recency"] = config.memory_recency
    return {name: value for name, value in added.items() if value}


def _folders(recordings: Recording | Sequence[Recording]) -> tuple[Path, ...]:
    single = isinstance(recordings, str | os.PathLike | Dataset)
    several: Sequence[Recording] = [recordings] if single else recordings  # type: ignore[list-item, assignment]
    return tuple(each.folder if isinstance(each, Dataset) else Path(each) for each in several)


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
