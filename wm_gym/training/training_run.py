"""One training in progress: the iteration, its checkpoints, and what stops it before it does harm.

An iteration is a pure function of (weights, optimizer state, seed, iteration): its batches and noise are drawn from a
generator seeded anew. So a resumed training equals an uninterrupted one bit for bit on the CPU.
"""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor

from wm_gym.training.divergence import DivergenceAlarm
from wm_gym.training.ema import ExponentialMovingAverage, trained_parameters
from wm_gym.training.gradient_checkpointing import checkpoint_blocks
from wm_gym.training.gradients import clip_gradients, norms_of_parts, not_finite
from wm_gym.training.loop_config import LoopConfig, changed_values, learning_rate
from wm_gym.training.optimizer import make_optimizer
from wm_gym.training.pictures import Picture, Pictures
from wm_gym.training.processes import ALONE, Processes
from wm_gym.training.product import is_unfinished, write_product
from wm_gym.training.sharding import gathered, shard_blocks
from wm_gym.training.shards import is_sharded, local
from wm_gym.training.stage import Stage
from wm_gym.training.training_checkpoint import (
    STATE,
    TrainingCheckpoint,
    TrainingError,
    capture,
    checkpoint_path,
    checkpoint_paths,
    clear_checkpoints,
    describe_latest,
    read_checkpoint,
    restore,
    restore_shards,
    write_checkpoint,
)

PARTS_EVERY = 5  # iterations between two looks at the gradients of the module's parts


class TrainingRun:
    """A stage with its optimizer and averages, of which `iteration` iterations are done."""

    def __init__(
        self,
        stage: Stage,
        config: LoopConfig,
        output: Path,
        stage_config: Mapping[str, Any],
        processes: Processes = ALONE,
    ) -> None:
        self.iteration = 0
        self._stage = stage
        self._config = config
        self._output = output
        self._folder = output / "training"
        self._recorded = json.loads(json.dumps({"loop": asdict(config), "stage": dict(stage_config)}))
        self._processes = processes
        if config.gradient_checkpointing:
            checkpoint_blocks(stage.module)
        self.in_shards = config.shard and processes.count > 1
        if self.in_shards:
            processes.copy_from_first(parameter.data for parameter in stage.module.parameters())
            shard_blocks(stage.module, processes)
        self._parameters = trained_parameters(stage.module)
        self._ema = ExponentialMovingAverage(stage.module, config.ema_decay)
        self._optimizer = make_optimizer(self._parameters, config)
        self._alarm = DivergenceAlarm(config.divergence_threshold, config.divergence_patience, config.gradient_clip)
        self._checkpoint: Path | None = None
        self._saved_iteration = -1
        self._exported_iteration = -1
        self._saved_at = time.monotonic()

    @property
    def checkpoint_due(self) -> bool:
        """Whether the count of iterations or the clock asks for a checkpoint, and nothing is wrong with the weights."""
        every, minutes = self._config.checkpoint_every, self._config.checkpoint_minutes
        by_count = every is not None and self.iteration // every > max(self._saved_iteration, 0) // every
        by_clock = minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes
        return self._alarm.begin is None and (by_count or self._together(by_clock))

    def _together(self, by_clock: bool) -> bool:
        """Whether any process's clock says so, where all have to write; else this one's."""
        return self._processes.any(by_clock) if self.in_shards else by_clock

    def start(self, resume: bool) -> None:
        """Go on from the last checkpoint, or start anew."""
        if not resume and self._processes.is_first:
            clear_checkpoints(self._folder)
        self._processes.wait()
        paths = checkpoint_paths(self._folder)
        self._check_together(paths)
        if paths:
            self._restore(paths[-1])
        parameters = self._stage.module.parameters()
        self._processes.copy_from_first(each.data for each in parameters if not is_sharded(each))
        if self._processes.any(bool(paths) and is_unfinished(self._output)):
            self._export()

    def step(self) -> dict[str, Tensor | float]:
        """Do one iteration and return its metrics."""
        rate = learning_rate(self._config, self.iteration)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        metrics = self._backward()
        norm = clip_gradients(self._parameters, self._config.gradient_clip, self._processes)
        if not bool(torch.isfinite(norm)):
            self._stop(f"gradient norm must be finite, got {norm.item()}{not_finite(self._parameters)}")
        metrics |= {"gradient_norm": norm, "learning_rate": rate}
        self._look(metrics)
        self._optimizer.step()
        self._ema.update(self.iteration)
        self.iteration += 1
        return metrics

    def _backward(self) -> dict[str, Tensor | float]:
        """The gradient of the mean loss of the step's batches; returns it and the metrics, means too."""
        count, seed = self._config.accumulate, self._config.seed
        device = next(iter(self._parameters.values())).device.type
        means: dict[str, Tensor | float] = {}
        for number in range(self.iteration * count, (self.iteration + 1) * count):
            generator = _seed_iteration(seed, number, self._processes.rank)
            with torch.autocast(device, torch.bfloat16, enabled=self._config.precision == "bfloat16"):
                loss, metrics = self._stage.loss(number, generator)
            values = {"loss": loss.detach()} | metrics
            if not bool(torch.isfinite(values["loss"])):
                bad = [name for name, value in values.items() if not bool(torch.isfinite(value).all())]
                self._stop(f"{', '.join(bad)} must be finite, got {loss.item()}")
            (loss / count).backward()
            for name, value in values.items():
                means[name] = means.get(name, 0.0) + value / count
        self._processes.sum_gradients(each for each in self._parameters.values() if not is_sharded(each))
        return means

    def _look(self, metrics: Mapping[str, Tensor | float]) -> None:
        """Raise the alarm where the training has left its course."""
        parts: dict[str, float] = {}
        if self.iteration % PARTS_EVERY == 0 and self._config.divergence_threshold is not None:
            parts = norms_of_parts(self._parameters, self._processes)
        trouble = self._alarm.look(self.iteration, metrics, parts)
        if trouble is None:
            return
        config, before = self._config, self._alarm.begin
        raise TrainingError(
            f"{trouble}; {describe_latest(self._folder, before)}, so go on from it with allow_changes and a lower "
            f"learning_rate (now {config.learning_rate:g}) or gradient_clip (now {config.gradient_clip:g}), or let it "
            f"run with another divergence_threshold (now {config.divergence_threshold:g}) or none"
        )

    def save(self) -> Path:
        """Write a training checkpoint and the product, unless they are already on the disk."""
        if not self._processes.is_first and not self.in_shards:
            return checkpoint_path(self._folder, self.iteration)
        if self._checkpoint is None or self._saved_iteration != self.iteration:
            self._checkpoint = self._write()
        if self._exported_iteration != self.iteration:
            self._export()
        self._saved_at = time.monotonic()
        return self._checkpoint

    def stop(self) -> Path:
        """Write what a stopped training goes on from; where the alarm doubts its state, that stays the last one."""
        begin = self._alarm.begin
        if begin is None or self._checkpoint is None:
            return self.save()
        logging.getLogger(__name__).warning(
            "iterations from %d on looked like a divergence and are not kept; %s",
            begin,
            describe_latest(self._folder, begin),
        )
        self.iteration = self._saved_iteration
        return self._checkpoint

    def _write(self) -> Path:
        bad = [name for name, each in self._parameters.items() if not bool(torch.isfinite(local(each.detach())).all())]
        if self._processes.any(bool(bad)) if self.in_shards else bad:
            names = ", ".join(f"the parameter {name}" for name in bad[:3]) or "the parameters of another process"
            self._stop(f"{names} must be finite, got NaN or infinity in it")
        state = capture(self._stage.module, self._ema, self._optimizer)
        checkpoint = TrainingCheckpoint(iteration=self.iteration, config=self._recorded, tensors=state)
        path = write_checkpoint(self._folder, checkpoint, self._processes)
        self._saved_iteration = self.iteration
        return path

    def draw(self, pictures: Pictures) -> dict[str, Picture]:
        """Draw with the averages; of sharded parameters, which all processes need to run, with those of now."""
        if not self._processes.is_first and not self.in_shards:
            return {}
        with self._ema.applied():
            return pictures.draw()

    def _export(self) -> None:
        with self._ema.applied(), gathered(self._stage.module, self._ema.tensors, self._processes):
            if self._processes.is_first:
                write_product(partial(self._stage.export, self._stage.module), self._output)
        self._exported_iteration = self.iteration

    def _restore(self, path: Path) -> None:
        of_shards = self.in_shards or not (path / STATE).exists()
        checkpoint = read_checkpoint(path, tensors=not of_shards)
        self._check_config(checkpoint, path)
        try:
            if of_shards:
                restore_shards(path, self._stage.module, self._ema, self._optimizer)
            else:
                restore(checkpoint.tensors, self._stage.module, self._ema, self._optimizer)
        except (OSError, SafetensorError) as error:
            raise TrainingError(
                f"the checkpoint {path} must be readable, got: {error}; delete this folder to resume from the one "
                "before it"
            ) from error
        except ValueError as error:
            raise TrainingError(
                f"the checkpoint {path} must fit the module, got: {error}; "
                "train the module that it was written for, or choose another output folder"
            ) from error
        self.iteration = self._saved_iteration = checkpoint.iteration
        self._checkpoint = path

    def _check_together(self, paths: list[Path]) -> None:
        """Refuse to train processes together that do not see the same checkpoints."""
        mine = int(paths[-1].name.removeprefix("iteration_")) if paths else 0
        iterations = self._processes.gather(torch.tensor([mine])).tolist()
        if len(set(iterations)) > 1:
            raise TrainingError(
                f"all processes must see the same output folder, got checkpoints of the iterations {iterations} by "
                f"process in {self._output}; share the folder between the machines"
            )

    def _check_config(self, checkpoint: TrainingCheckpoint, path: Path) -> None:
        """Refuse a configuration under which the checkpoint's training would go on as another one."""
        changes = changed_values(checkpoint.config, self._recorded)
        if changes:
            raise TrainingError(
                f"a resume from {path} must keep the configuration (num_iterations may change), "
                f"got {'; '.join(changes)}; restore these values, choose another output folder, "
                "or start again with resume=False"
            )
        if checkpoint.iteration > self._config.num_iterations:
            raise TrainingError(
                f"num_iterations must be at least the {checkpoint.iteration} of {path}, got "
                f"{self._config.num_iterations}; choose another output folder, or start again with resume=False"
            )

    def _stop(self, trouble: str) -> None:
        raise TrainingError(
            f"{trouble} at iteration {self.iteration}; {describe_latest(self._folder)}, so "
            f"look at the batch of this iteration, or lower learning_rate (now {self._config.learning_rate:g}) or "
            f"gradient_clip (now {self._config.gradient_clip:g}) and go on from it with allow_changes, or choose "
            "another output folder"
        )


def _seed_iteration(seed: int, iteration: int, rank: int) -> torch.Generator:
    """Seed a generator from (seed, iteration), and torch's own for dropout, which differs by process."""
    mixed = int(np.random.SeedSequence([seed, iteration]).generate_state(1, np.uint64)[0])
    torch.manual_seed((mixed + rank) % 2**64)
    return torch.Generator().manual_seed(mixed)
