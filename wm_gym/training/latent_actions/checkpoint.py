"""Checkpoints of latent actions: `latent_actions.json`, `latent_actions/` and the `autoencoder/` that they work on.

The autoencoder travels along, since codes mean nothing on another one's latents. Every file is listed with its SHA-256;
weights are safetensors, never pickle.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.checkpoint import WEIGHTS
from wm_gym.checkpoint_manifest import CheckpointError, sha256
from wm_gym.training.commands import read_autoencoder
from wm_gym.training.latent_actions.gate import Gate
from wm_gym.training.latent_actions.model import LatentActionConfig, LatentActionModel

FORMAT_VERSION = 1
MANIFEST = "latent_actions.json"
_MODEL = "latent_actions/model.safetensors"
_FILES = (_MODEL, "autoencoder/config.json", f"autoencoder/{WEIGHTS}")


@dataclass(frozen=True, kw_only=True)
class LatentActions:
    """What a checkpoint holds.

    Attributes:
        model: in evaluation mode.
        autoencoder: the one whose latents it works on.
        frame_size: height and width of the frames, in pixels.
        gate: what was measured when it was written.
        fingerprint: the hash of all of it.
    """

    model: LatentActionModel
    autoencoder: PatchAutoencoder
    frame_size: tuple[int, int]
    gate: Gate
    fingerprint: str


def write_latent_actions(
    folder: Path, model: LatentActionModel, autoencoder: PatchAutoencoder, gate: Gate, frame_size: tuple[int, int]
) -> None:
    """Write a checkpoint into a folder.

    Raises:
        OSError: the disk refuses.
    """
    (folder / _MODEL).parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, folder / _MODEL)
    autoencoder.save_pretrained(folder / "autoencoder", safe_serialization=True)
    values = {
        "format_version": FORMAT_VERSION,
        "shape": asdict(model.config),
        "latent_channels": model.latent_channels,
        "chunk_frames": model.chunk_frames,
        "frame_size": list(frame_size),
        "gate": asdict(gate),
        "sha256": {name: sha256(folder / name) for name in _FILES},
    }
    (folder / MANIFEST).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_latent_actions(folder: Path) -> LatentActions:
    """Read what `write_latent_actions` wrote, onto the CPU.

    Raises:
        CheckpointError: it is missing, cut, changed or of another format.
    """
    path = folder / MANIFEST
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format_version must be {FORMAT_VERSION}, got {values['format_version']}")
        _verify(folder, values["sha256"])
        height, width = map(int, values["frame_size"])
        model = LatentActionModel(
            LatentActionConfig(**values["shape"]), int(values["latent_channels"]), int(values["chunk_frames"])
        )
        model.load_state_dict(load_file(folder / _MODEL))
        gate = Gate(**values["gate"])
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"latent actions must be a folder that 'wm-gym train latent-actions' wrote, got {folder} ({error}); "
            "train them first or copy the folder again"
        ) from error
    return LatentActions(
        model=model.eval(),
        autoencoder=read_autoencoder(folder).eval(),
        frame_size=(height, width),
        gate=gate,
        fingerprint=sha256(path),
    )


def _verify(folder: Path, hashes: dict[str, str]) -> None:
    """Refuse a file that is not the one that was written, such as another training's autoencoder."""
    for name in _FILES:
        found = sha256(folder / name)
        if found != hashes[name]:
            raise CheckpointError(
                f"{folder / name} must have SHA-256 {hashes[name][:12]}..., got {found[:12]}...: it is cut, changed or "
                "of another training; copy the folder again"
            )
