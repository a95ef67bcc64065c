"""Checkpoints: a folder with `world_model.json`, one subfolder a part in diffusers' layout, and start frames.

Weights are safetensors only; no pickle is ever read. Every file is listed with its SHA-256, so that a cut, changed or
missing file is one clear error and never a wrong world.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig
from wm_gym.encoder.observation_encoder import ObservationEncoder
from wm_gym.transition.action_encoder import ActionEncoder
from wm_gym.transition.heads import Heads
from wm_gym.transition.transition import Transition
from wm_gym.world_card import WorldCard

FORMAT_VERSION = 1
MANIFEST = "world_model.json"
SHIPPED = Path(__file__).parent / "weights"
WEIGHTS = "diffusion_pytorch_model.safetensors"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file, the rule and the next step."""


@dataclass(frozen=True)
class Parts:
    """The networks of a world model, the tokenizer, the start frames and the card.

    `starts` is uint8 (starts, frames, height, width, 3).
    """

    card: WorldCard
    autoencoder: PatchAutoencoder
    encoder: ObservationEncoder
    action_encoder: ActionEncoder
    transition: Transition
    heads: Heads
    decoder: VideoDecoder
    tokenizer: Tokenizer
    starts: UInt8[Tensor, "starts frames height width 3"]

    def networks(self) -> dict[str, Any]:
        """The parts that have a folder of their own, by folder."""
        return {
            "autoencoder": self.autoencoder,
            "encoder": self.encoder,
            "action_encoder": self.action_encoder,
            "transition": self.transition,
            "heads": self.heads,
            "decoder": self.decoder.transformer,
        }


CLASSES = {
    "autoencoder": PatchAutoencoder,
    "encoder": ObservationEncoder,
    "action_encoder": ActionEncoder,
    "transition": Transition,
    "heads": Heads,
}

STARTS = "starts.png"
TOKENIZER = "action_encoder/tokenizer.json"
FILES = (
    *(f"{part}/{file}" for part in (*CLASSES, "decoder") for file in ("config.json", WEIGHTS)),
    TOKENIZER,
    STARTS,
)


def shipped_names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}"))


def locate(name_or_folder: str | Path) -> Path:
    """The folder of a shipped name or of a path.

    Raises:
        CheckpointError: neither a shipped name nor a checkpoint's folder.
    """
    for folder in (Path(name_or_folder), SHIPPED / str(name_or_folder)):
        if (folder / MANIFEST).is_file():
            return folder
    raise CheckpointError(
        f"checkpoint must be one of {shipped_names()} or a folder with a {MANIFEST}, got {str(name_or_folder)!r}; "
        "train one with 'wm-gym train world-model'"
    )


def write_checkpoint(folder: Path, parts: Parts) -> WorldCard:
    """Write all parts into `folder` (made if needed) and return the card with the weights' hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in parts.networks().items():
        network.save_pretrained(folder / name, safe_serialization=True)
    parts.tokenizer.save(str(folder / TOKENIZER))
    _write_starts(folder / STARTS, parts.starts)
    hashes = {name: _sha256(folder / name) for name in FILES}
    card = replace(parts.card, weights_hash=_weights_hash(hashes, asdict(parts.decoder.config)))
    _write_manifest(folder, card, parts.decoder.config, hashes)
    return card


def update_card(folder: Path, **changes: Any) -> WorldCard:
    """Change fields of a written checkpoint's card, such as `metrics` or the sampler's defaults."""
    manifest = _read_manifest(folder)
    card = replace(_card(folder, manifest), **changes)
    _write_manifest(folder, card, _decoder_config(folder, manifest), manifest["sha256"])
    return card


def read_card(name_or_folder: str | Path) -> WorldCard:
    """The card alone, without loading weights."""
    folder = locate(name_or_folder)
    return _card(folder, _read_manifest(folder))


def read_checkpoint(name_or_folder: str | Path) -> Parts:
    """Load and verify a checkpoint.

    Raises:
        CheckpointError: a missing, cut or changed file, or a config that does not fit its weights.
    """
    folder = locate(name_or_folder)
    manifest = _read_manifest(folder)
    card = _card(folder, manifest)
    _verify(folder, manifest, card)
    networks: dict[str, Any] = {
        name: _load_weights(folder / name, _build(folder / name, cls)) for name, cls in CLASSES.items()
    }
    decoder_config = _decoder_config(folder, manifest)
    _check_card(folder, card, decoder_config, networks["autoencoder"])
    decoder = _build(folder / "decoder", lambda **transformer: VideoDecoder(decoder_config, transformer))
    _load_weights(folder / "decoder", decoder.transformer)
    return Parts(
        card=card,
        decoder=decoder.eval(),
        tokenizer=_read_tokenizer(folder / TOKENIZER),
        starts=_read_starts(folder / STARTS, card),
        **networks,
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _weights_hash(hashes: Mapping[str, str], decoder: Mapping[str, Any]) -> str:
    """The hash of all that decides what a step computes: the files but the start frames, and the decoder's config."""
    decisive = {name: value for name, value in hashes.items() if name != STARTS} | {"decoder": decoder}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _write_manifest(folder: Path, card: WorldCard, decoder: VideoDecoderConfig, hashes: Mapping[str, str]) -> None:
    manifest = {"format_version": FORMAT_VERSION, "card": asdict(card), "decoder": asdict(decoder), "sha256": hashes}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        version, _, _ = manifest["format_version"], manifest["card"], manifest["sha256"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{folder / MANIFEST} must be a whole manifest, got {error!r}; copy it again") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{folder / MANIFEST} must have format version {FORMAT_VERSION}, got {version}; "
            "install the wm-gym that wrote it or train again"
        )
    return manifest


def _card(folder: Path, manifest: dict[str, Any]) -> WorldCard:
    try:
        values = _with_tuples(manifest["card"])
        return WorldCard(**{**values, "action_phrases": _with_tuples(values["action_phrases"])})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"card in {folder / MANIFEST} must be a world's card, got {error!r}; copy it again"
        ) from error


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _decoder_config(folder: Path, manifest: dict[str, Any]) -> VideoDecoderConfig:
    try:
        return VideoDecoderConfig(**_with_tuples(manifest["decoder"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"decoder in {folder / MANIFEST} must be a decoder's config, got {error!r}; copy it again"
        ) from error


def _check_card(folder: Path, card: WorldCard, decoder: VideoDecoderConfig, autoencoder: PatchAutoencoder) -> None:
    """The card is not hashed: what the networks know as well must be the same there."""
    frame_size = tuple(cells * autoencoder.patch_size for cells in decoder.latent_size)
    for name, expected in (("frame_size", frame_size), ("chunk_frames", decoder.chunk_frames)):
        if getattr(card, name) != expected:
            raise CheckpointError(
                f"{name} in {folder / MANIFEST} must be {expected} as in the networks, got {getattr(card, name)}; "
                "copy it again"
            )


def _verify(folder: Path, manifest: Mapping[str, Any], card: WorldCard) -> None:
    hashes: Mapping[str, str] = manifest["sha256"]
    unlisted = [name for name in FILES if name not in hashes]
    if unlisted:
        raise CheckpointError(f"{folder / MANIFEST} must list {', '.join(unlisted)}; write the checkpoint again")
    expected = _weights_hash(hashes, manifest.get("decoder", {}))
    if card.weights_hash != expected:
        raise CheckpointError(
            f"weights_hash in {folder / MANIFEST} must be {expected[:12]}..., that of the listed files and the "
            f"decoder's config, got {card.weights_hash[:12]}...; copy the folder again"
        )
    for name, expected in hashes.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(f"checkpoint {folder} must hold {name}, which is missing; copy the folder again")
        found = _sha256(path)
        if found != expected:
            raise CheckpointError(
                f"{path} must have SHA-256 {str(expected)[:12]}..., got {found[:12]}... "
                f"({path.stat().st_size} bytes): it is cut or changed; copy the folder again"
            )


def _build(folder: Path, make: Callable[..., Any]) -> Any:
    try:
        config = json.loads((folder / "config.json").read_text())
        return make(**_with_tuples({key: value for key, value in config.items() if not key.startswith("_")}))
    except Exception as error:  # whatever a library says to a config that it cannot build
        raise CheckpointError(
            f"{folder / 'config.json'} must be a config of {folder.name}, got {error!r}; write the checkpoint again"
        ) from error


def _load_weights(folder: Path, network: nn.Module) -> nn.Module:
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except (RuntimeError, SafetensorError) as error:
        raise CheckpointError(
            f"{folder / WEIGHTS} must fit {folder / 'config.json'}, got: {error}; write the checkpoint again"
        ) from error
    return network.eval()


def _read_tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no narrower class
        raise CheckpointError(f"{path} must be a tokenizer, got {error!r}; write the checkpoint again") from error


def _write_starts(path: Path, starts: UInt8[Tensor, "starts frames height width 3"]) -> None:
    Image.fromarray(starts.flatten(0, 2).numpy()).save(path, optimize=True)


def _read_starts(path: Path, card: WorldCard) -> UInt8[Tensor, "starts frames height width 3"]:
    try:
        strip = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
        return strip.reshape(-1, card.chunk_frames, *card.frame_size, 3)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} must hold start frames as the card says, got: {error}; copy it again") from error
