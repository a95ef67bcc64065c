"""Kills a training at random moments and compares it with one that was left alone, bit by bit.

`python -m tests.training.killing --kills 20`: trains a small world model with the command's own class, in children of
this process, so that the imports are paid once. Exit status 1 where a weight, a moment of the optimizer or a file of
the product differs.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.worlds import tiny_dataset, tiny_size
from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoderConfig
from wm_gym.training.autoencoder_stage import AutoencoderStageConfig
from wm_gym.training.commands import TrainAutoencoder, TrainWorldModel
from wm_gym.training.loop import LoopConfig
from wm_gym.training.world_model_stage_config import WorldModelStageConfig

ITERATIONS_A_LIFE = 16


def child(work: Callable[[], object]) -> int:
    """Starts a child that does the work and ends; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def finish(work: Callable[[], object]) -> float:
    """Does the work in a child; returns how many seconds it took."""
    begin = time.monotonic()
    status = os.waitpid(child(work), 0)[1]
    if status:
        raise RuntimeError(f"a training that nobody killed must end with status 0, got {status}")
    return time.monotonic() - begin


def commands(folder: Path, kills: int) -> tuple[TrainAutoencoder, TrainWorldModel]:
    """The stages, with a checkpoint every second iteration."""
    data = (tiny_dataset(folder / "data").folder,)
    autoencoder = TrainAutoencoder(
        data=data,
        output=folder / "autoencoder",
        shape=PatchAutoencoderConfig(latent_channels=4, width=16, num_blocks=1),
        stage=AutoencoderStageConfig(batch_size=4),
        loop=LoopConfig(num_iterations=3, warmup_iterations=1),
    )
    loop = LoopConfig(num_iterations=ITERATIONS_A_LIFE * (kills + 1), warmup_iterations=5, checkpoint_every=2)
    return autoencoder, TrainWorldModel(
        data=data,
        autoencoder=folder / "autoencoder",
        output=folder / "straight",
        size=tiny_size(),
        stage=WorldModelStageConfig(batch_size=4, num_rounds=3, rollout_fraction=0.5),
        loop=loop,
    )


def kill_at(command: TrainWorldModel, seconds: float) -> dict[str, object]:
    """Trains in a child, kills it after so many seconds, and says where that was."""
    pid = child(lambda: command.run(progress=False))
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    checkpoints = sorted(path.name for path in (command.output / "training").glob("iteration_*"))
    halves = [name for name in ("training/.partial", ".export") if (command.output / name).exists()]
    return {"killed": killed, "after_s": round(seconds, 3), "checkpoint": (checkpoints or [""])[-1], "halves": halves}


def files_of(folder: Path) -> dict[str, bytes]:
    """What a training left, but for curves and the file that tells its options and the time."""
    kept = [*(folder / "training").rglob("state.safetensors"), *folder.rglob("*.safetensors"), *folder.rglob("*.json")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept if path.is_file()}


def main() -> int:
    """Train, kill, go on, compare; prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None, help="of the moments; by default another every time")
    options = parser.parse_args()
    moments, folder = random.Random(options.seed), Path(tempfile.mkdtemp())
    try:
        autoencoder, straight = commands(folder, options.kills)
        finish(lambda: autoencoder.run(progress=False))
        seconds = finish(lambda: straight.run(progress=False))
        killed = replace(straight, output=folder / "killed")
        lives = [kill_at(killed, moments.uniform(0, seconds / options.kills)) for _ in range(options.kills)]
        finish(lambda: killed.run(progress=False))
        one, other = files_of(straight.output), files_of(killed.output)
        differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
        report = {"kills": sum(bool(life["killed"]) for life in lives), "differ": differ, "files": len(one)}
        print(json.dumps({**report, "iterations": straight.loop.num_iterations, "lives": lives}, indent=2))
        return 1 if differ or not one else 0
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
