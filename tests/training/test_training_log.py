"""The curves hold means over the interval, and a resume purges what lies beyond it."""

import time
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from wm_gym.training.training_log import TrainingLog


def _log(folder: Path, start: int, stop: int, scale: float) -> dict[str, float]:
    with TrainingLog(folder, start=start, num_iterations=10, log_every=2, progress=False) as log:
        for iteration in range(start + 1, stop + 1):
            log.add(iteration, {"loss": torch.tensor(scale * iteration), "rate": 1.0})
        log.flush(stop)
    return log.means


def _curve(folder: Path) -> dict[int, float]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {event.step: event.value for event in accumulator.Scalars("loss")}


def test_points_are_means_since_the_point_before(tmp_path: Path) -> None:
    _log(tmp_path, 0, 5, scale=1.0)
    assert _curve(tmp_path) == {2: 1.5, 4: 3.5, 5: 5.0}


def test_means_keep_the_last_point(tmp_path: Path) -> None:
    assert _log(tmp_path, 0, 4, scale=1.0) == {"loss": 3.5, "rate": 1.0}


def test_a_resume_purges_the_points_beyond_it(tmp_path: Path) -> None:
    _log(tmp_path, 0, 8, scale=1.0)
    time.sleep(1)  # TensorBoard orders files by the second in their names, and within a second by text
    _log(tmp_path, 4, 6, scale=-1.0)
    assert _curve(tmp_path) == {2: 1.5, 4: 3.5, 6: -5.5}
