"""The world state: everything that a step carries on, as one explicit value with a batch dimension."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.transition.memory_bank import MemoryBank
from wm_gym.transition.round_cache import RoundCache

FORMAT_VERSION = "1"
MAX_SEED = 2**63 - 1


def check_seeds(seeds: Iterable[int], batch_size: int) -> list[int]:
    """The seeds as plain integers.

    Raises:
        ValueError: they are not one integer in [0, MAX_SEED] for each of `batch_size` worlds.
    """
    values = list(seeds) if isinstance(seeds, Iterable) else []
    whole = all(isinstance(seed, int | np.integer) and not isinstance(seed, bool) for seed in values)
    if len(values) != batch_size or not whole or any(not 0 <= seed <= MAX_SEED for seed in values):
        raise ValueError(f"seeds must be {batch_size} integers from 0 to 2**63 - 1, one a world, got {seeds!r}")
    return [int(seed) for seed in values]


@dataclass(frozen=True)
class WorldState:
    """A batch of worlds between two steps. No method changes it; tensors are shared between states, never written.

    Attributes:
        weights_hash: the checkpoint it belongs to.
        seeds: each world's seed; with `rounds` it determines the world's noise, so a fork repeats its original.
        rounds: steps taken since the reset.
        frames: the last chunk, uint8.
        latents: the last frames encoded: those of the chunk, and earlier ones where the decoder sees more.
        observation_tokens: the chunk's latents encoded, for the next round of the transition.
        transition: KV cache of past rounds.
        decoder: KV cache of past chunks.
        streams: what parts carry on beside that, by name, such as the features of a streaming autoencoder.
        memory: past rounds as they looked; None where the model recalls none.
    """

    weights_hash: str
    seeds: Int64[Tensor, "batch"]
    rounds: Int64[Tensor, "batch"]
    frames: UInt8[Tensor, "batch frames height width 3"]
    latents: Float[Tensor, "batch kept channel h w"]
    observation_tokens: Float[Tensor, "batch tokens token_width"]
    transition: RoundCache
    decoder: ChunkCache
    streams: Mapping[str, Tensor] = field(default_factory=dict)
    memory: MemoryBank | None = None

    @property
    def batch_size(self) -> int:
        """Worlds in the batch."""
        return len(self.seeds)

    @property
    def nbytes(self) -> int:
        """Bytes that its tensors take, where each world has its own: forks share theirs until their next step."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors by dotted name; the first axis of each is the batch."""
        return _flatten(self)

    def repeat(self, n: int) -> "WorldState":
        """Each world n times in a row: n forks that continue alike under equal actions, until `reseed`.

        Forks of one world copy nothing: all of them show the same memory, until the next step gives each its own.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if self.batch_size == 1:
            shared = {name: tensor.expand(n, *tensor.shape[1:]) for name, tensor in self.tensors().items()}
            return _unflatten(self.weights_hash, shared)
        return self.select([index for index in range(self.batch_size) for _ in range(n)])

    def select(self, indices: Sequence[int] | NDArray[np.integer]) -> "WorldState":
        """The worlds at `indices`, in that order; an index may come more than once.

        Raises:
            ValueError: an index outside the batch, or none at all.
        """
        rows = np.asarray(indices)  # a plain list, or any array of integers
        inside = rows.ndim == 1 and rows.dtype.kind in "iu" and bool(((rows >= 0) & (rows < self.batch_size)).all())
        if not inside or not len(rows):
            raise ValueError(f"indices must be a non-empty list within 0..{self.batch_size - 1}, got {indices!r}")
        chosen = torch.tensor(rows.tolist(), device=self.seeds.device)
        return _unflatten(self.weights_hash, {name: tensor[chosen] for name, tensor in self.tensors().items()})

    def reseed(self, seeds: Sequence[int]) -> "WorldState":
        """The same worlds with other noise from here on.

        Raises:
            ValueError: not one seed from 0 up for each world.
        """
        checked = check_seeds(seeds, self.batch_size)
        tensors = self.tensors() | {"seeds": torch.tensor(checked, dtype=torch.int64, device=self.seeds.device)}
        return _unflatten(self.weights_hash, tensors)

    def clone(self) -> "WorldState":
        """The same worlds in memory of their own, every tensor laid out row by row."""
        tensors = self.tensors().items()
        own = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors}
        return _unflatten(self.weights_hash, own)

    def to(self, device: torch.device | str) -> "WorldState":
        """The same worlds on `device`; tensors that are there already are shared."""
        return _unflatten(self.weights_hash, {name: tensor.to(device) for name, tensor in self.tensors().items()})

    @staticmethod
    def cat(states: Sequence["WorldState"]) -> "WorldState":
        """The worlds of all states in one batch.

        Raises:
            ValueError: no state, or states of different checkpoints or samplings.
        """
        if not states:
            raise ValueError("states must be at least one, got none")
        hashes = {state.weights_hash for state in states}
        if len(hashes) != 1:
            raise ValueError(f"states must come from one checkpoint, got {len(hashes)} different ones")
        parts = [state.tensors() for state in states]
        if any(part.keys() != parts[0].keys() for part in parts):
            raise ValueError("states must be made under one sampling, got different tensors; reset them under one")
        joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return _unflatten(states[0].weights_hash, joined)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state as safetensors; the file appears whole or not at all.

        Raises:
            ValueError: it cannot be written there.
        """
        target = Path(path)
        partial = target.with_name(f".{target.name}.{os.getpid()}.{secrets.token_hex(4)}")
        tensors = {name: tensor.contiguous() for name, tensor in self.tensors().items()}
        metadata = {
            "format_version": FORMAT_VERSION,
            "weights_hash": self.weights_hash,
            "sha256": _sha256(self.weights_hash, tensors),
        }
        try:
            save_file(tensors, partial, metadata)
            os.replace(partial, target)
        except (OSError, SafetensorError) as error:
            rule = "path must be in a folder that is there and has room"
            raise ValueError(f"{rule}, got {path} ({error}); make the folder or room") from error
        finally:
            partial.unlink(missing_ok=True)

    @staticmethod
    def load(path: str | os.PathLike[str], device: str = "cpu") -> "WorldState":
        """Read a state back, bit for bit.

        Raises:
            ValueError: the file is missing, cut, incomplete, changed, or of another format version; or the device is
                none of this machine's.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise ValueError(f"{path} must be a whole file written by WorldState.save, got: {error}") from error
        if metadata.get("format_version") != FORMAT_VERSION:
            found = metadata.get("format_version")
            raise ValueError(f"{path} must have format version {FORMAT_VERSION}, got {found}; save the state again")
        batches = {tensor.shape[:1] for tensor in tensors.values()}
        if len(batches) > 1 or batches <= {torch.Size([]), torch.Size([0])}:
            raise ValueError(f"{path} must hold tensors of one batch, got {sorted(batches)}; save the state again")
        try:
            state = _unflatten(metadata["weights_hash"], tensors)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} must hold all tensors of a state, got: {error}; save the state again") from error
        found, expected = _sha256(state.weights_hash, tensors), metadata.get("sha256")
        if found != expected:
            raise ValueError(
                f"{path} must have the sha256 that it was saved with, {expected}, got {found}: the file was changed; "
                "save the state again"
            )
        if unknown := set(tensors) - set(state.tensors()):
            raise ValueError(f"{path} must hold the tensors of a state alone, got {unknown} too; save the state again")
        try:
            return state.to(device)
        except (RuntimeError, AssertionError) as error:
            raise ValueError(f"device must be one of this machine's, got {device!r} ({error}); pass 'cpu'") from error


def _sha256(weights_hash: str, tensors: dict[str, Tensor]) -> str:
    """Fingerprint of all that a state file says."""
    digest = hashlib.sha256(weights_hash.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _flatten(value: Any, prefix: str = "") -> dict[str, Tensor]:
    flat: dict[str, Tensor] = {}
    for name, item in ((each.name, getattr(value, each.name)) for each in fields(value)):
        if isinstance(item, Tensor):
            flat[prefix + name] = item
        elif is_dataclass(item):
            flat |= _flatten(item, f"{prefix}{name}.")
        elif isinstance(item, Mapping):
            flat |= {f"{prefix}{name}.{key}": tensor for key, tensor in item.items()}
    return flat


def _unflatten(weights_hash: str, tensors: dict[str, Tensor]) -> WorldState:
    def part(name: str) -> dict[str, Tensor]:
        return {key.partition(".")[2]: value for key, value in tensors.items() if key.startswith(f"{name}.")}

    own = {key: value for key, value in tensors.items() if "." not in key}
    memory = part("memory")
    return WorldState(
        weights_hash=weights_hash,
        transition=RoundCache(**part("transition")),
        decoder=ChunkCache(**part("decoder")),
        streams=part("streams"),
        memory=MemoryBank(**memory) if memory else None,
        **own,
    )
