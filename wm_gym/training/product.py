"""The product of a training: what a stage exports, put in place so that a reader never sees half a file.

Files are swapped in one by one, deepest first and JSON last: a checkpoint's JSON names the hash of its weights, so a
reader who meets the middle of a swap can tell. A kill in the middle leaves `.export`, and `is_unfinished` says so.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from wm_gym.training.training_checkpoint import TrainingError, sync, sync_folder


def is_unfinished(output: Path) -> bool:
    """Say whether an earlier export into `output` was cut."""
    return (output / ".export").exists()


def write_product(export: Callable[[Path], None], output: Path) -> None:
    """Call `export` with an empty folder and move the files that it writes into `output`.

    Raises:
        TrainingError: when the disk refuses; the files already in `output` are whole.
    """
    partial = output / ".export"
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        export(partial)
        sync_folder(partial)
        _swap_in(partial, output)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"the product must fit on the disk under {output}, got: {error}; "
            "the training checkpoint is kept, so make room and run the same command again"
        ) from error
    shutil.rmtree(partial)


def _swap_in(partial: Path, output: Path) -> None:
    files = [path.relative_to(partial) for path in partial.rglob("*") if path.is_file()]
    for file in sorted(files, key=lambda file: (file.suffix == ".json", -len(file.parts), str(file))):
        (output / file).parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial / file, output / file)
    sync(output)
