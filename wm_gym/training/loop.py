"""The training loop of all stages: AdamW, an average of the weights, curves, checkpoints that survive a kill."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wm_gym.training.interruption import Interruption
from wm_gym.training.loop_config import LoopConfig, learning_rate
from wm_gym.training.pictures import Pictures
from wm_gym.training.processes import ALONE, Processes
from wm_gym.training.stage import Stage
from wm_gym.training.training_checkpoint import TrainingError
from wm_gym.training.training_log import TrainingLog
from wm_gym.training.training_run import TrainingRun

__all__ = ["LoopConfig", "Stage", "TrainResult", "TrainingError", "learning_rate", "time_iterations", "train"]


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
    pictures: Pictures | None = None,
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
        pictures: drawn with the averaged weights now and then, and shown beside the curves; they change no weight.

    Returns:
        How it ended.

    Raises:
        TrainingError: for a loss or gradient that is not finite, a disk that refuses, and a checkpoint that is damaged
            or does not fit the module or the configuration.
    """
    run = TrainingRun(stage, config, output, stage_config or {}, processes)
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
            if pictures is not None and run.iteration % pictures.every == 0:
                log.show(run.iteration, run.draw(pictures))
        log.flush(run.iteration)
        checkpoint = run.stop() if run.iteration < config.num_iterations else run.save()
        processes.wait()  # until it is written
    interrupted = run.iteration < config.num_iterations
    return TrainResult(iteration=run.iteration, interrupted=interrupted, metrics=log.means, checkpoint=checkpoint)


def time_iterations(stage: Stage, config: LoopConfig, count: int) -> list[float]:
    """Do the first iterations of a training without writing anything; the stage's weights change.

    Returns:
        The seconds of each; the first also reads data.
    """
    run = TrainingRun(stage, config, Path(), {})
    seconds = []
    with torch.random.fork_rng(devices=[]):
        for _ in range(count):
            begin = time.perf_counter()
            run.step()
            seconds.append(time.perf_counter() - begin)
    return seconds
