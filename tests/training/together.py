"""Trainings that several processes do together or one alone: `python -m tests.training.together DATA DATA OUTPUT`.

The processes are children of one, so that the imports are paid once. A fourth argument is the number of iterations: the
tests take few, and the bar, equal losses over 50, is tried with 50.
"""

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from tests.training.killing import child
from tests.training.test_world_model_stage import CONFIG as ROUNDS
from tests.worlds import tiny_autoencoder, tiny_size
from wm_gym.data.mixture import MixtureSampler, open_mixture
from wm_gym.training.autoencoder_stage import AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.loop import LoopConfig, train
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.processes import Processes, joined
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

BATCH_SIZE = 4  # two rows a world, one a process
COUNT = 2
LOOP = LoopConfig(
    num_iterations=8,
    learning_rate=1e-3,
    warmup_iterations=2,
    final_learning_rate_fraction=1.0,  # so that a training does not depend on its length
    checkpoint_minutes=None,
)
MORE = 2  # iterations with which the sharded trainings go on where others stopped
WORLD_MODEL = WorldModelStageConfig(
    batch_size=BATCH_SIZE, num_rounds=ROUNDS.num_rounds, event_fraction=0.5, still_fraction=0.2, rollout_fraction=0.3
)


class Recorded:
    """A stage that remembers its losses."""

    def __init__(self, stage: AutoencoderStage | WorldModelStage) -> None:
        self._stage = stage
        self.module = stage.module
        self.losses: list[float] = []

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = self._stage.loss(iteration, generator)
        self.losses.append(float(loss.detach()))
        return loss, metrics

    def export(self, module: torch.nn.Module, folder: Path) -> None:
        self._stage.export(module, folder)


def make_stages(data: list[Path], processes: Processes) -> dict[str, Recorded]:
    """Both stages with the rows of this process."""
    mixture, shard = open_mixture(data), (processes.rank, processes.count)
    frames = MixtureSampler(mixture, num_rounds=1, batch_size=BATCH_SIZE, shard=shard)
    segments = MixtureSampler(
        mixture,
        num_rounds=WORLD_MODEL.num_rounds,
        batch_size=BATCH_SIZE,
        event_fraction=WORLD_MODEL.event_fraction,
        still_fraction=WORLD_MODEL.still_fraction,
        shard=shard,
    )
    pictures = AutoencoderStageConfig(batch_size=BATCH_SIZE)
    model = untrained_world_model(mixture, tiny_autoencoder(), tiny_size(1))
    return {
        "autoencoder": Recorded(AutoencoderStage(tiny_autoencoder(), frames, pictures, processes)),
        "world_model": Recorded(WorldModelStage(model, segments, WORLD_MODEL, processes)),
    }


def train_both(data: list[Path], output: Path, loop: LoopConfig = LOOP) -> dict[str, list[float]]:
    """The losses of both stages; with a launcher's variables, those that the processes have together.

    Several processes then train in shards: a world model from its start, and one that goes on where the whole stopped.
    """
    with joined("cpu") as processes:
        stages = make_stages(data, processes)
        for name, stage in stages.items():
            train(stage, loop, output / name, progress=False, processes=processes)
        losses = {name: stage.losses for name, stage in stages.items()}
        if processes.count > 1:
            for name, length in (("sharded", loop.num_iterations), ("in_shards", loop.num_iterations + MORE)):
                if name == "in_shards" and processes.is_first:
                    shutil.copytree(output / "world_model", output / name)
                processes.wait()
                stage = make_stages(data, processes)["world_model"]
                again = name == "in_shards"  # where blocks also run again for their backward pass
                in_shards = replace(loop, num_iterations=length, shard=True, gradient_checkpointing=again)
                train(stage, in_shards, output / name, progress=False, processes=processes)
                losses[name] = stage.losses
        (output / f"losses_{processes.rank}.json").write_text(json.dumps(losses))
    return losses


def launch(work: Callable[[], object]) -> list[int]:
    """Do the work in `COUNT` children that have a launcher's variables; returns their exit statuses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(COUNT), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}

    def joining(rank: int) -> Callable[[], object]:
        def work_as() -> object:
            os.environ.update(shared, RANK=str(rank), LOCAL_RANK=str(rank))
            return work()

        return work_as

    children = [child(joining(rank)) for rank in range(COUNT)]
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]


def main() -> int:
    """Train in two processes; exit status 1 where one of them failed."""
    data, output = [Path(sys.argv[1]), Path(sys.argv[2])], Path(sys.argv[3])
    num_iterations = int(sys.argv[4]) if len(sys.argv) > 4 else LOOP.num_iterations
    statuses = launch(lambda: train_both(data, output, replace(LOOP, num_iterations=num_iterations)))
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())
