"""The tensors of a training checkpoint that several processes write, each its own shards.

torch's distributed checkpoints in Hugging Face's layout: safetensors with the place of every shard in their headers, no
pickle. They are read by any number of processes, sharded or not, as is the one file of an unsharded training.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


def write_shards(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write the shards of all processes into `folder`, which exists; all must call it.

    Raises:
        OSError: on every process, when the disk of one refuses.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        save(dict(tensors), storage_writer=writer)
    except CheckpointException as error:
        raise OSError(_told(error)) from error


def stored_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the whole tensors in `folder`, by name, as their headers have them.

    Raises:
        OSError: there is no such folder.
    """
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader

    stored: Any = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {name: tuple(entry.size) for name, entry in stored.items()}


def read_shards(folder: Path, targets: Mapping[str, Tensor]) -> None:
    """Fill tensors, sharded or not, from `folder`; all processes must call it.

    Raises:
        OSError: when a file is missing or damaged.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled", UserWarning)  # alone, as wanted
            load(dict(targets), storage_reader=HuggingFaceStorageReader(str(folder)))
    except CheckpointException as error:
        raise OSError(_told(error)) from error


def _told(error: Any) -> str:
    """The errors of the processes, in one line."""
    return "; ".join(sorted({str(failure) for failure, _ in error.failures.values()}))
