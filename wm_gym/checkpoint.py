"""Checkpoints: a folder with `world_model.json`, one subfolder a part in diffusers' layout, and start frames.

Weights are safetensors only; no pickle is ever read. Every file is listed with its SHA-256, so that a cut, changed or
missing file is one clear error and never a wrong world.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from wm_gym.checkpoint_manifest import MANIFEST, CheckpointError, CheckpointManifest, starts_file, with_tuples
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig
from wm_gym.encoder.observation_encoder import ObservationEncoder
from wm_gym.transition.action_encoder import ActionEncoder
from wm_gym.transition.heads import Heads
from wm_gym.transition.language import LanguageModel, LanguageModelError
from wm_gym.transition.language_action_encoder import LanguageActionEncoder
from wm_gym.transition.tokenizer import BytePairs
from wm_gym.transition.transition import Transition
from wm_gym.world_card import ModelCard

SHIPPED = Path(__file__).parent / "weights"
WEIGHTS = "diffusion_pytorch_model.safetensors"
TOKENIZER = "action_encoder/tokenizer.json"

Starts = UInt8[Tensor, "starts frames height width 3"]


@dataclass(frozen=True)
class Parts:
    """The networks of a world model, what reads its texts, the start frames of each world and the card.

    A world without start frames of its own begins at the user's.
    """

    card: ModelCard
    autoencoder: PatchAutoencoder
    encoder: ObservationEncoder
    reader: BytePairs | LanguageModel
    action_encoder: ActionEncoder | LanguageActionEncoder
    transition: Transition
    heads: Heads
    decoder: VideoDecoder
    starts: Mapping[str, Starts]

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

    @property
    def language(self) -> dict[str, Any]:
        """Name, layers and fingerprint of a language model; empty with a tokenizer of its own."""
        if isinstance(self.reader, BytePairs):
            return {}
        return {"name": self.reader.name, "layers": list(self.reader.layers), "fingerprint": self.reader.fingerprint}


CLASSES: dict[str, Callable[..., Any]] = {
    "autoencoder": PatchAutoencoder,
    "encoder": ObservationEncoder,
    "transition": Transition,
    "heads": Heads,
}


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


def part_files(own_tokenizer: bool) -> tuple[str, ...]:
    """The files of a checkpoint's networks."""
    parts = ("autoencoder", "encoder", "action_encoder", "transition", "heads", "decoder")
    files = tuple(f"{part}/{file}" for part in parts for file in ("config.json", WEIGHTS))
    return (*files, TOKENIZER) if own_tokenizer else files


def write_checkpoint(folder: Path, parts: Parts) -> ModelCard:
    """Write all parts into `folder` (made if needed) and return the card with the weights' hash."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in parts.networks().items():
        network.save_pretrained(folder / name, safe_serialization=True)
    if isinstance(parts.reader, BytePairs):
        parts.reader.tokenizer.save(str(folder / TOKENIZER))
    for world, starts in parts.starts.items():
        _write_starts(folder / starts_file(world), starts)
    files = (*part_files(own_tokenizer=not parts.language), *map(starts_file, parts.starts))
    manifest = CheckpointManifest.of(folder, files, parts.card, parts.decoder.config, parts.language)
    manifest.write(folder)
    return manifest.card


def update_card(folder: Path, **changes: Any) -> ModelCard:
    """Change fields of a written checkpoint's card, such as `metrics` or the sampler's defaults."""
    manifest = CheckpointManifest.read(folder)
    changed = replace(manifest, card=replace(manifest.card, **changes))
    changed.write(folder)
    return changed.card


def read_card(name_or_folder: str | Path) -> ModelCard:
    """The card alone, without loading weights."""
    return CheckpointManifest.read(locate(name_or_folder)).card


def read_checkpoint(name_or_folder: str | Path) -> Parts:
    """Load and verify a checkpoint.

    Raises:
        CheckpointError: a missing, cut or changed file, or a config that does not fit its weights.
    """
    folder = locate(name_or_folder)
    manifest = CheckpointManifest.read(folder)
    card, own_tokenizer = manifest.card, not manifest.language
    manifest.verify(folder, part_files(own_tokenizer))
    classes = CLASSES | {"action_encoder": ActionEncoder if own_tokenizer else LanguageActionEncoder}
    networks: dict[str, Any] = {
        name: _load_weights(folder / name, _build(folder / name, cls)) for name, cls in classes.items()
    }
    decoder_config = manifest.decoder_config(folder)
    _check_card(folder, card, decoder_config, networks["autoencoder"])
    _check_memory(folder, decoder_config, networks["transition"])
    decoder = _build(folder / "decoder", lambda **transformer: VideoDecoder(decoder_config, transformer))
    _load_weights(folder / "decoder", decoder.transformer)
    listed = [world for world in card.worlds if starts_file(world) in manifest.sha256]
    return Parts(
        card=card,
        decoder=decoder.eval(),
        reader=_read_tokenizer(folder / TOKENIZER) if own_tokenizer else _language_model(folder, manifest.language),
        starts={world: _read_starts(folder / starts_file(world), card) for world in listed},
        **networks,
    )


def _check_card(folder: Path, card: ModelCard, decoder: VideoDecoderConfig, autoencoder: PatchAutoencoder) -> None:
    """The card is not hashed: what the networks know as well must be the same there."""
    frame_size = tuple(cells * autoencoder.patch_size for cells in decoder.latent_size)
    for name, expected in (("frame_size", frame_size), ("chunk_frames", decoder.chunk_frames)):
        if getattr(card, name) != expected:
            raise CheckpointError(
                f"{name} in {folder / MANIFEST} must be {expected} as in the networks, got {getattr(card, name)}; "
                "copy it again"
            )


def _check_memory(folder: Path, decoder: VideoDecoderConfig, transition: Transition) -> None:
    """What memory shows must be what the decoder is shown."""
    recalled_frames = 0 if transition.memory is None else transition.memory.chunk_frames
    if decoder.recalled_frames != recalled_frames:
        raise CheckpointError(
            f"recalled_frames in {folder / MANIFEST} must be {recalled_frames} as the transition's memory gives, "
            f"got {decoder.recalled_frames}; copy it again, or train it again where an older wm-gym did"
        )


def _build(folder: Path, make: Callable[..., Any]) -> Any:
    try:
        config = json.loads((folder / "config.json").read_text())
        return make(**with_tuples({key: value for key, value in config.items() if not key.startswith("_")}))
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


def _read_tokenizer(path: Path) -> BytePairs:
    try:
        return BytePairs(Tokenizer.from_file(str(path)))
    except Exception as error:  # tokenizers raises no narrower class
        raise CheckpointError(f"{path} must be a tokenizer, got {error!r}; write the checkpoint again") from error


def _language_model(folder: Path, language: Mapping[str, Any]) -> LanguageModel:
    try:
        model = LanguageModel.from_pretrained(language["name"], language["layers"])
    except (KeyError, LanguageModelError) as error:
        raise CheckpointError(
            f"language in {folder / MANIFEST} must name a language model that is here, got {error}; "
            "put it where it was when the checkpoint was trained"
        ) from error
    if model.fingerprint != language.get("fingerprint"):
        raise CheckpointError(
            f"language model {model.name} must be the one that {folder} was trained with, got another with "
            f"fingerprint {model.fingerprint[:12]}...; take the same version"
        )
    return model


def _write_starts(path: Path, starts: Starts) -> None:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(starts.flatten(0, 2).numpy()).save(path, optimize=True)


def _read_starts(path: Path, card: ModelCard) -> Starts:
    try:
        strip = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
        return strip.reshape(-1, card.chunk_frames, *card.frame_size, 3)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} must hold start frames as the card says, got: {error}; copy it again") from error
