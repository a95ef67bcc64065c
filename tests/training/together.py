"""Trainings that several processes do together or one alone: `python -m tests.training.together DATA DATA OUTPUT`."""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from tests.training.test_world_model_stage import CONFIG as ROUNDS
from tests.worlds import tiny_autoencoder, tiny_size
from wm_gym.data.mixture import MixtureSampler, open_mixture
from wm_gym.training.autoencoder_stage import AutoencoderStage, AutoencoderStageConfig
from wm_gym.training.loop import LoopConfig, train
from wm_gym.training.presets import untrained_world_model
from wm_gym.training.processes import Processes, joined
from wm_gym.training.world_model_stage import WorldModelStage, WorldModelStageConfig

BATCH_SIZE = 4  # two rows a world, one a process
LOOP = LoopConfig(num_iterations=50, learning_rate=1e-3, warmup_iterations=5, checkpoint_minutes=None)
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


def train_both(data: list[Path], output: Path) -> dict[str, list[float]]:
    """The losses of both stages; with a launcher's variables, those that the processes have together."""
    with joined("cpu") as processes:
        stages = make_stages(data, processes)
        for name, stage in stages.items():
            train(stage, LOOP, output / name, progress=False, processes=processes)
        losses = {name: stage.losses for name, stage in stages.items()}
        (output / f"losses_{processes.rank}.json").write_text(json.dumps(losses))
    return losses


if __name__ == "__main__":
    train_both([Path(sys.argv[1]), Path(sys.argv[2])], Path(sys.argv[3]))
