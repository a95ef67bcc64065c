"""Training checkpoints: all that a training needs to go on, as safetensors and JSON, never pickle.

`<folder>/iteration_00000100/` holds `state.safetensors` (names `module/...`, `ema/...`, `exp_avg/...`,
`exp_avg_sq/...`, `step/...`), or the shards of it that several processes wrote, and `training.json`. A checkpoint is
written beside its place, synced to the disk, then renamed: whatever kills the process, what has the name is whole.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wm_gym.training.ema import ExponentialMovingAverage, trained_parameters
from wm_gym.training.processes import ALONE, Processes
from wm_gym.training.sharded_checkpoint import read_shards, stored_shapes, write_shards
from wm_gym.training.shards import is_sharded

STATE = "state.safetensors"
FORMAT_VERSION = 1
NUM_KEPT = 2
_MOMENTS = ("exp_avg", "exp_avg_sq", "step")  # what AdamW keeps a parameter


class TrainingError(RuntimeError):
    """A training that cannot go on; the message says what is kept and what to do next."""


@dataclass(frozen=True, kw_only=True)
class TrainingCheckpoint:
    """What a checkpoint holds.

    Attributes:
        iteration: iterations done.
        config: the loop's and the stage's configuration, as JSON values.
        tensors: parameters, buffers, averages and optimizer state, by prefixed name.
    """

    iteration: int
    config: dict[str, Any]
    tensors: dict[str, Tensor]


def capture(module: nn.Module, ema: ExponentialMovingAverage, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Collect the tensors of a training by prefixed name; they share memory with the training."""
    tensors = {f"module/{name}": tensor for name, tensor in _module_tensors(module).items()}
    tensors |= {f"ema/{name}": tensor for name, tensor in ema.tensors.items()}
    for name, parameter in trained_parameters(module).items():
        state = optimizer.state.get(parameter, {})
        tensors |= {f"{moment}/{name}": state[moment] for moment in _MOMENTS if moment in state}
    return tensors


@torch.no_grad()
def restore(
    tensors: Mapping[str, Tensor],
    module: nn.Module,
    ema: ExponentialMovingAverage,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Put captured tensors back into a training built the same way.

    Raises:
        ValueError: when a tensor is missing, unknown, or of another shape or dtype; nothing is changed then.
    """
    targets, moments = _targets(module, ema), _moments(tensors.keys(), module)
    _check_fit(tensors, targets | moments)
    for key, target in (targets | moments).items():
        target.copy_(tensors[key])
    _put_moments(moments, module, optimizer)


@torch.no_grad()
def restore_shards(
    path: Path, module: nn.Module, ema: ExponentialMovingAverage, optimizer: torch.optim.Optimizer
) -> None:
    """Read a checkpoint, of one file or of shards, into a training of any number of processes; all must call it.

    Raises:
        ValueError: when a tensor is missing, unknown, or of another shape; nothing is changed then.
        OSError: when a file is damaged.
    """
    shapes = stored_shapes(path)
    targets, moments = _targets(module, ema), _moments(shapes.keys(), module)
    _check_names(shapes.keys(), (targets | moments).keys())
    for key, target in (targets | moments).items():
        if shapes[key] != tuple(target.shape):
            raise ValueError(f"{key!r} must be {tuple(target.shape)}, got {shapes[key]}")
    read_shards(path, targets | moments)
    _put_moments(moments, module, optimizer)


def write_checkpoint(folder: Path, checkpoint: TrainingCheckpoint, processes: Processes = ALONE) -> Path:
    """Write a checkpoint under `folder`, drop all but the last two, and return its path.

    Of sharded tensors every process writes its shards, and all must call it; else only the first may.

    Raises:
        TrainingError: when the disk refuses; the earlier checkpoints are untouched.
    """
    path = checkpoint_path(folder, checkpoint.iteration)
    partial = folder / ".partial"
    try:
        if processes.is_first:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
        if any(map(is_sharded, checkpoint.tensors.values())):
            processes.wait()  # until the folder is there
            write_shards(partial, checkpoint.tensors)
        else:
            save_file({k: t.detach().contiguous() for k, t in checkpoint.tensors.items()}, partial / STATE)
        if not processes.is_first:
            return path
        _write_record(partial, checkpoint)
        sync_folder(partial)
        _discard(path)
        partial.rename(path)
        sync(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"the checkpoint {path} must fit on the disk, got: {error}; {describe_latest(folder)}, "
            "so make room and run the same command again"
        ) from error
    for old in checkpoint_paths(folder)[:-NUM_KEPT]:
        _discard(old)
    return path


def _write_record(partial: Path, checkpoint: TrainingCheckpoint) -> None:
    record = {
        "format_version": FORMAT_VERSION,
        "iteration": checkpoint.iteration,
        "config": checkpoint.config,
        "files": {file.name: file.stat().st_size for file in sorted(partial.glob("*.safetensors"))},
    }
    (partial / "training.json").write_text(json.dumps(record, indent=2), encoding="utf-8")


def read_checkpoint(path: Path, *, tensors: bool = True) -> TrainingCheckpoint:
    """Read a checkpoint onto the CPU.

    Args:
        path: its folder.
        tensors: read them too, from one file; `restore_shards` reads them from shards.

    Raises:
        TrainingError: when a file is missing, damaged or of another format.
    """
    try:
        record = json.loads((path / "training.json").read_text(encoding="utf-8"))
        if record["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, got {record['format_version']}")
        for name, size in record.get("files", {}).items():
            if (path / name).stat().st_size != size:
                raise ValueError(f"{name} must have {size} bytes, got {(path / name).stat().st_size}")
        state = load_file(path / STATE) if tensors else {}
        return TrainingCheckpoint(iteration=int(record["iteration"]), config=dict(record["config"]), tensors=state)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"the checkpoint {path} must be readable, got {type(error).__name__}: {error}; "
            "delete this folder to resume from the one before it"
        ) from error


def checkpoint_path(folder: Path, iteration: int) -> Path:
    """Where the checkpoint of an iteration lies under `folder`."""
    return folder / f"iteration_{iteration:08d}"


def checkpoint_paths(folder: Path) -> list[Path]:
    """List the whole checkpoints under `folder`, oldest first."""
    return sorted(folder.glob("iteration_*"))


def describe_latest(folder: Path, before: int | None = None) -> str:
    """Say in a few words which checkpoint a resume would start from.

    Args:
        folder: where they lie.
        before: the iteration whose trouble they shall not know of; later ones are to be deleted.
    """
    paths = checkpoint_paths(folder)
    good = [path for path in paths if before is None or path < checkpoint_path(folder, before)]
    if not good:
        return "there is no earlier checkpoint"
    later = f" (delete {', '.join(path.name for path in paths[len(good) :])})" if len(good) < len(paths) else ""
    return f"the last checkpoint is kept at {good[-1]}{later}"


def clear_checkpoints(folder: Path) -> None:
    """Remove all checkpoints under `folder`."""
    for path in checkpoint_paths(folder):
        _discard(path)


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Force a folder and all that it holds to the disk."""
    for path in folder.rglob("*"):
        sync(path)
    sync(folder)


def _module_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by name; of tied tensors, the first name."""
    named: dict[str, Tensor] = {}
    seen: set[tuple[int, torch.Size]] = set()
    for name, tensor in module.state_dict().items():
        if not is_sharded(tensor):
            key = (tensor.data_ptr(), tensor.shape)
            if tensor.numel() and key in seen:
                continue
            seen.add(key)
        named[name] = tensor
    return named


def _targets(module: nn.Module, ema: ExponentialMovingAverage) -> dict[str, Tensor]:
    """What a checkpoint's parameters, buffers and averages are copied into."""
    targets = {f"module/{name}": tensor for name, tensor in _module_tensors(module).items()}
    return targets | {f"ema/{name}": tensor for name, tensor in ema.tensors.items()}


def _moments(stored: Collection[str], module: nn.Module) -> dict[str, Tensor]:
    """What a checkpoint's optimizer state is copied into: a parameter that never had a gradient has none."""
    return {
        f"{moment}/{name}": torch.zeros(()) if moment == "step" else torch.zeros_like(parameter.detach())
        for name, parameter in trained_parameters(module).items()
        for moment in _MOMENTS
        if f"exp_avg/{name}" in stored
    }


def _put_moments(moments: Mapping[str, Tensor], module: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    parameters = trained_parameters(module)
    for key, tensor in moments.items():
        moment, name = key.split("/", 1)
        optimizer.state[parameters[name]][moment] = tensor


def _check_names(found: Collection[str], wanted: Collection[str]) -> None:
    for problem, keys in (("lacks", set(wanted) - set(found)), ("has also", set(found) - set(wanted))):
        if keys:
            raise ValueError(f"it {problem} {len(keys)} tensors, the first being {min(keys)!r}")


def _check_fit(tensors: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
    _check_names(tensors.keys(), targets.keys())
    for key, target in targets.items():
        got = tensors[key]
        if got.shape != target.shape or got.dtype != target.dtype:
            raise ValueError(
                f"{key!r} must be {target.dtype} {tuple(target.shape)}, got {got.dtype} {tuple(got.shape)}"
            )


def _discard(path: Path) -> None:
    """Remove a checkpoint so that a kill half-way leaves no folder with a checkpoint's name."""
    if not path.exists():
        return
    discarded = path.with_name(".discarded")
    shutil.rmtree(discarded, ignore_errors=True)
    path.rename(discarded)
    shutil.rmtree(discarded, ignore_errors=True)
