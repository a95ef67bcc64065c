"""Training steps a second with batches read from a dataset, against the same batches held in memory, in the same run.

Three cases take turns at every iteration, on copies of one model with the same batches and noise: "memory" (drawn
before), "dataset" (a sampler that keeps what it decoded, empty at first) and "streamed" (one that keeps a single
episode, as with a dataset far larger than memory). A case's share is the median over the iterations of the memory
case's time over its own, wall clock and this process's CPU time.

    python -m benchmarks.data_loading --output /tmp/data_loading.json
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro

from policies.minigrid import mixed
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from wm_gym.data.mixture import MixtureSampler, open_mixture
from wm_gym.data.recording import record
from wm_gym.data.segments import SegmentBatch
from wm_gym.evaluation.provenance import machine
from wm_gym.training.loop import LoopConfig, time_iterations
from wm_gym.training.presets import WorldModelSize, untrained_world_model
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class DataLoadingConfig:
    """What to time.

    Attributes:
        data: a dataset's folder; None records `episodes` of MiniGrid.
        episodes: how many to record.
        iterations: of each case.
        size: sizes of the networks.
        stage: the batches.
        device: where the model trains.
        output: the JSON file; None writes none.
    """

    data: Path | None = None
    episodes: int = 60
    iterations: int = 10
    size: WorldModelSize = field(default_factory=WorldModelSize)
    stage: WorldModelStageConfig = field(default_factory=WorldModelStageConfig)
    device: str = "cpu"
    output: Path | None = None


class HeldSampler(MixtureSampler):
    """Batches that are drawn already."""

    def hold(self, iterations: int) -> None:
        """Draws them."""
        self._held = [super(HeldSampler, self).sample(iteration) for iteration in range(iterations)]

    def sample(self, iteration: int) -> SegmentBatch:
        """Returns one of them."""
        return self._held[iteration]


class Late:
    """A stage that takes the iteration it is told: `time_iterations` counts from 0 every time."""

    def __init__(self, stage: WorldModelStage) -> None:
        self.stage, self.module, self.iteration = stage, stage.module, 0

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The stage's loss of the batch that is its turn."""
        return self.stage.loss(self.iteration, generator)

    def export(self, module: torch.nn.Module, folder: Path) -> None:
        """Nothing is written."""


def make_stage(config: DataLoadingConfig, folder: Path, case: str) -> Late:
    """An untrained model of the dataset with the case's sampler."""
    mixture = open_mixture([folder])
    torch.manual_seed(0)
    autoencoder = PatchAutoencoder.build(PatchAutoencoderConfig())
    model = untrained_world_model(mixture, autoencoder, config.size).to(config.device)
    sampler = (HeldSampler if case == "memory" else MixtureSampler)(
        mixture,
        num_rounds=config.stage.num_rounds,
        batch_size=config.stage.batch_size,
        event_fraction=config.stage.event_fraction,
        still_fraction=config.stage.still_fraction,
        cache_bytes=1 if case == "streamed" else 9 * 10**9,
    )
    if isinstance(sampler, HeldSampler):
        sampler.hold(config.iterations)
    return Late(WorldModelStage(model, sampler, config.stage))


def measure(config: DataLoadingConfig, folder: Path) -> dict[str, Any]:
    """Times the cases in turns.

    Returns:
        The results as JSON values.
    """
    loop = LoopConfig(num_iterations=config.iterations)
    stages = {case: make_stage(config, folder, case) for case in ("memory", "dataset", "streamed")}
    clocks: dict[str, Clock] = {"wall": time.perf_counter, "cpu": time.process_time}
    seconds: dict[str, dict[str, list[float]]] = {clock: {case: [] for case in stages} for clock in clocks}
    for iteration in range(-1, config.iterations):  # the first is a warm-up
        for case, stage in stages.items():
            stage.iteration = max(iteration, 0)
            begin = {name: clock() for name, clock in clocks.items()}
            time_iterations(stage, loop, 1)
            for name, clock in clocks.items() if iteration >= 0 else ():
                seconds[name][case].append(clock() - begin[name])
    return {
        clock: {case: _summary(times[case], times["memory"]) for case in stages} for clock, times in seconds.items()
    }


def _summary(seconds: list[float], memory: list[float]) -> dict[str, float]:
    shares = np.array(memory) / np.array(seconds)
    low, middle, high = np.percentile(shares, [25, 50, 75])
    median = float(np.median(seconds))
    return {"seconds_a_step": median, "share_of_memory": middle, "share_25": low, "share_75": high}


def main(config: DataLoadingConfig) -> None:
    """Record where no data is named, measure, print, write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = config.data or Path(temporary)
        if config.data is None:
            env = gym.make("envs:real/MiniGrid-v0")
            record(env, mixed, output=folder, num_episodes=config.episodes, progress=False)
        results = measure(config, folder)
    described = json.loads(json.dumps(asdict(config), default=str))
    report = {"config": described, "machine": machine(config.device), "results": results}
    for clock, cases in results.items():
        for case, row in cases.items():
            share = f"{row['share_of_memory']:7.1%} of memory's rate"
            print(f"{clock:5} {case:9} {1e3 * row['seconds_a_step']:8.1f} ms a step  {share}")
    if config.output is not None:
        config.output.parent.mkdir(parents=True, exist_ok=True)
        config.output.write_text(json.dumps(report, indent=2) + "\n")
        print(config.output)


if __name__ == "__main__":
    main(tyro.cli(DataLoadingConfig))
