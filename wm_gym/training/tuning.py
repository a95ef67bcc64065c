"""A fine-tuning at work: its checkpoint and its data opened, its trainings one after the other."""

import hashlib
import logging
import math
from dataclasses import replace
from pathlib import Path

from wm_gym.checkpoint import WEIGHTS
from wm_gym.data.mixture import MixtureSampler
from wm_gym.training.autoencoder_stage import Anchor, AutoencoderStage
from wm_gym.training.commands import read_autoencoder, whole_share
from wm_gym.training.dry_run import TrainingPlan, plan_training
from wm_gym.training.extended_parts import with_memory, with_past_frames
from wm_gym.training.finetune_autoencoder import LEAST_PSNR, reconstruction_psnr
from wm_gym.training.finetune_config import FinetuneConfig
from wm_gym.training.finetune_data import FinetuneData
from wm_gym.training.finetune_worlds import with_worlds
from wm_gym.training.loop import LoopConfig, Stage, TrainResult, train
from wm_gym.training.lora import LowRankStage, add_low_rank
from wm_gym.training.pictures import Pictures
from wm_gym.training.processes import Processes
from wm_gym.training.rollout_pictures import rollout_pictures
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.world_model import WorldModel

AUTOENCODER_OUTPUT = "finetuned_autoencoder"  # in the output folder


class Tuning:
    """A fine-tuning with its checkpoint and its data opened."""

    def __init__(self, config: FinetuneConfig, processes: Processes) -> None:
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


def _what_was_added(config: FinetuneConfig) -> dict[str, object]:
    """What a resume must keep of it; named only where it is used, so that older trainings go on."""
    added: dict[str, object] = {"memory_rounds": config.memory_rounds, "past_frames": config.past_frames}
    if config.memory_rounds and config.memory_recency != MemoryConfig.recency:
        added["memory_recency"] = config.memory_recency
    return {name: value for name, value in added.items() if value}


def _logger() -> logging.Logger:
    return logging.getLogger(__name__)
