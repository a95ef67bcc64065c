"""The training loop of all stages: AdamW, an average of the weights, curves, checkpoints that survive a kill.

An iteration is a pure function of (weights, optimizer state, seed, iteration): its batches and noise are drawn from a
generator seeded anew. So a resumed training equals an uninterrupted one bit for bit on the CPU.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from wm_gym.training.ema import ExponentialMovingAverage, trained_parameters
from wm_gym.training.interruption import Interruption
from wm_gym.training.loop_config import LoopConfig, changed_values, learning_rate
from wm_gym.training.optimizer import make_optimizer
from wm_gym.training.processes import ALONE, Processes
from wm_gym.training.product import is_unfinished, write_product
from wm_gym.training.training_checkpoint import (
    TrainingCheckpoint,
    TrainingError,
    capture,
    checkpoint_path,
    checkpoint_paths,
    clear_checkpoints,
    describe_latest,
    read_checkpoint,
    restore,
    write_checkpoint,
)
from wm_gym.training.training_log import TrainingLog

__all__ = ["LoopConfig", "Stage", "TrainResult", "TrainingError", "learning_rate", "time_iterations", "train"]


@runtime_checkable
class Stage(Protocol):
    """What a stage gives to the loop: a module, its loss on a batch of its own, and the way to export it."""

    @property
    def module(self) -> nn.Module:
        """The module to train, on its device and in its mode; frozen parameters have `requires_grad` False."""

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Return the loss of the batch of `iteration`, and detached scalar metrics to log.

        The batch is a pure function of `iteration` (from 0); all other randomness comes from `generator`, on the CPU.
        With several processes it is the loss of the whole batch, of which each has its rows.
        """

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write `module`, which holds the averaged weights during the call, as a usable checkpoint into `folder`."""


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """How a training ended.

    Attributes:
        iteration: iterations done, those before a resume included.
        interrupted: whether Ctrl-C or SIGTERM ended it before `num_iterations`.
        metrics: the last means of the curves.
        checkpoint: the last training checkpoint.
    """

    iteration: int
    interrupted: bool
    metrics: dict[str, float]
    checkpoint: Path


def train(
    stage: Stage,
    config: LoopConfig,
    output: Path,
    *,
    stage_config: Mapping[str, Any] | None = None,
    resume: bool = True,
    progress: bool = True,
    processes: Processes = ALONE,
) -> TrainResult:
    """Train a stage, and leave its product in `output`.

    Curves go to `output/logs`, training checkpoints to `output/training` (the last two are kept), and at every
    checkpoint the stage exports its averaged weights into `output`. The first Ctrl-C or SIGTERM ends the iteration,
    writes a checkpoint and returns.

    Args:
        stage: what to train; its module may be on any device.
        config: how to train.
        output: folder, made when missing.
        stage_config: JSON values that the stage's loss depends on; a resume with others is refused.
        resume: go on from the last checkpoint in `output`, if any; False deletes those checkpoints and starts again.
        progress: show a progress bar.
        processes: those that train together, the stage's too; they see the same `output`, into which the first writes.

    Returns:
        How it ended.

    Raises:
        TrainingError: for a loss or gradient that is not finite, a disk that refuses, and a checkpoint that is damaged
            or does not fit the module or the configuration.
    """
    run = _Run(stage, config, output, stage_config or {}, processes)
    run.start(resume)
    log = TrainingLog(
        output / "logs" if processes.is_first else None,
        start=run.iteration,
        num_iterations=config.num_iterations,
        log_every=config.log_every,
        progress=progress and processes.is_first,
    )
    waits = processes.count > 1  # launchers pass a Ctrl-C on, which every process has got already
    with torch.random.fork_rng(devices=[]), Interruption(patient=waits) as interruption, log:
        while run.iteration < config.num_iterations and not processes.any(interruption.requested):
            metrics = run.step()
            log.add(run.iteration, metrics)
            if run.checkpoint_due:
                run.save()
        log.flush(run.iteration)
        checkpoint = run.save()
        processes.wait()  # until it is written
    interrupted = run.iteration < config.num_iterations
    return TrainResult(iteration=run.iteration, interrupted=interrupted, metrics=log.means, checkpoint=checkpoint)


def time_iterations(stage: Stage, config: LoopConfig, count: int) -> list[float]:
    """Do the first iterations of a training without writing anything; the stage's weights change.

    Returns:
        The seconds of each; the first also reads data.
    """
    run = _Run(stage, config, Path(), {})
    seconds = []
    with torch.random.fork_rng(devices=[]):
        for _ in range(count):
            begin = time.perf_counter()
            run.step()
            seconds.append(time.perf_counter() - begin)
    return seconds


class _Run:
    """One training in progress: `iteration` iterations are done."""

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
        self._parameters = trained_parameters(stage.module)
        self._ema = ExponentialMovingAverage(stage.module, config.ema_decay)
        self._optimizer = make_optimizer(self._parameters, config)
        self._processes = processes
        self._checkpoint: Path | None = None
        self._saved_iteration = -1
        self._exported_iteration = -1
        self._saved_at = time.monotonic()

    @property
    def checkpoint_due(self) -> bool:
        """Whether the count of iterations or the clock asks for a checkpoint."""
        every, minutes = self._config.checkpoint_every, self._config.checkpoint_minutes
        by_count = every is not None and self.iteration % every == 0
        return by_count or (minutes is not None and time.monotonic() - self._saved_at >= 60 * minutes)

    def start(self, resume: bool) -> None:
        """Go on from the last checkpoint, or start anew."""
        if not resume and self._processes.is_first:
            clear_checkpoints(self._folder)
        self._processes.wait()
        paths = checkpoint_paths(self._folder)
        if paths:
            self._restore(paths[-1])
        self._check_together()
        self._processes.copy_from_first(parameter.data for parameter in self._stage.module.parameters())
        if paths and is_unfinished(self._output) and self._processes.is_first:
            self._export()

    def step(self) -> dict[str, Tensor | float]:
        """Do one iteration and return its metrics."""
        rate = learning_rate(self._config, self.iteration)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        metrics = self._backward()
        norm = nn.utils.clip_grad_norm_(self._parameters.values(), self._config.gradient_clip)
        self._check_finite({"gradient norm": norm}, norm)
        self._optimizer.step()
        self._ema.update(self.iteration)
        self.iteration += 1
        return {**metrics, "gradient_norm": norm, "learning_rate": rate}

    def _backward(self) -> dict[str, Tensor | float]:
        """The gradient of the mean loss of the step's batches; returns it and the metrics, means too."""
        count, seed = self._config.accumulate, self._config.seed
        device = next(iter(self._parameters.values())).device.type
        means: dict[str, Tensor | float] = {}
        for number in range(self.iteration * count, (self.iteration + 1) * count):
            generator = _seed_iteration(seed, number, self._processes.rank)
            with torch.autocast(device, torch.bfloat16, enabled=self._config.precision == "bfloat16"):
                loss, metrics = self._stage.loss(number, generator)
            self._check_finite({"loss": loss.detach()} | metrics, loss.detach())
            (loss / count).backward()
            for name, value in ({"loss": loss.detach()} | metrics).items():
                means[name] = means.get(name, 0.0) + value / count
        self._processes.sum_gradients(self._parameters.values())
        return means

    def save(self) -> Path:
        """Write, on the first process, a training checkpoint and the product, unless they are already on the disk."""
        if not self._processes.is_first:
            return checkpoint_path(self._folder, self.iteration)
        if self._checkpoint is None or self._saved_iteration != self.iteration:
            self._checkpoint = self._write()
        if self._exported_iteration != self.iteration:
            self._export()
        self._saved_at = time.monotonic()
        return self._checkpoint

    def _write(self) -> Path:
        for name, parameter in self._parameters.items():
            self._check_finite({f"the parameter {name}": parameter}, parameter.detach())
        state = capture(self._stage.module, self._ema, self._optimizer)
        checkpoint = TrainingCheckpoint(iteration=self.iteration, config=self._recorded, tensors=state)
        path = write_checkpoint(self._folder, checkpoint)
        self._saved_iteration = self.iteration
        return path

    def _export(self) -> None:
        with self._ema.applied():
            write_product(partial(self._stage.export, self._stage.module), self._output)
        self._exported_iteration = self.iteration

    def _restore(self, path: Path) -> None:
        checkpoint = read_checkpoint(path)
        self._check_config(checkpoint, path)
        try:
            restore(checkpoint.tensors, self._stage.module, self._ema, self._optimizer)
        except ValueError as error:
            raise TrainingError(
                f"the checkpoint {path} must fit the module, got: {error}; "
                "train the module that it was written for, or choose another output folder"
            ) from error
        self.iteration = self._saved_iteration = checkpoint.iteration
        self._checkpoint = path

    def _check_together(self) -> None:
        """Refuse to train processes together that do not see the same checkpoints."""
        iterations = self._processes.gather(torch.tensor([self.iteration])).tolist()
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

    def _check_finite(self, named: Mapping[str, Tensor], value: Tensor) -> None:
        """Raise when `value` is not finite, naming all of `named` that are not."""
        if bool(torch.isfinite(value).all()):
            return
        names = ", ".join(name for name, tensor in named.items() if not bool(torch.isfinite(tensor).all()))
        got = f"{value.item()}" if value.numel() == 1 else "NaN or infinity in it"
        raise TrainingError(
            f"{names} must be finite, got {got} at iteration {self.iteration}; {describe_latest(self._folder)}, so "
            f"look at the batch of this iteration, or lower learning_rate (now {self._config.learning_rate:g}) or "
            f"gradient_clip (now {self._config.gradient_clip:g}) and choose another output folder"
        )


def _seed_iteration(seed: int, iteration: int, rank: int) -> torch.Generator:
    """Seed a generator from (seed, iteration), and torch's own for dropout, which differs by process."""
    mixed = int(np.random.SeedSequence([seed, iteration]).generate_state(1, np.uint64)[0])
    torch.manual_seed((mixed + rank) % 2**64)
    return torch.Generator().manual_seed(mixed)
