"""The manifest of a checkpoint, `world_model.json`: the card, the decoder's config, and the SHA-256 of every file."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wm_gym.decoder.video_decoder import VideoDecoderConfig
from wm_gym.world_card import ModelCard, WorldCard

FORMAT_VERSION = 2
MANIFEST = "world_model.json"
STARTS = "starts"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file, the rule and the next step."""


@dataclass(frozen=True, kw_only=True)
class CheckpointManifest:
    """What `world_model.json` says.

    Attributes:
        card: the checkpoint's, with the hash of its weights.
        decoder: as written, since its text is hashed.
        sha256: file -> its hash.
        language: name, layers and fingerprint of the language model that reads the texts; empty where the checkpoint
            has a tokenizer of its own.
    """

    card: ModelCard
    decoder: Mapping[str, Any]
    sha256: Mapping[str, str]
    language: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        folder: Path,
        files: Iterable[str],
        card: ModelCard,
        decoder: VideoDecoderConfig,
        language: Mapping[str, Any],
    ) -> "CheckpointManifest":
        """The manifest of files that have just been written."""
        hashes = {name: sha256(folder / name) for name in files}
        manifest = cls(card=card, decoder=decoder.as_json(), sha256=hashes, language=language)
        return replace(manifest, card=replace(card, weights_hash=manifest.weights_hash))

    @classmethod
    def read(cls, folder: Path) -> "CheckpointManifest":
        """The manifest of a folder.

        Raises:
            CheckpointError: it is not whole, or of another format.
        """
        path = folder / MANIFEST
        try:
            values: dict[str, Any] = json.loads(path.read_text())
            version = values["format_version"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CheckpointError(f"{path} must be a whole manifest, got {error!r}; copy it again") from error
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"{path} must have format version {FORMAT_VERSION}, got {version}; "
                "install the wm-gym that wrote it or train again"
            )
        if not all(isinstance(values.get(part), dict) for part in ("card", "decoder", "sha256", "language")):
            raise CheckpointError(f"{path} must be a whole manifest, got other values; copy it again")
        return cls(
            card=_model_card(path, values["card"]),
            decoder=values["decoder"],
            sha256=values["sha256"],
            language=values["language"],
        )

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        parts = {"card": asdict(self.card), "decoder": self.decoder, "language": self.language, "sha256": self.sha256}
        (folder / MANIFEST).write_text(json.dumps({"format_version": FORMAT_VERSION, **parts}, indent=2) + "\n")

    @property
    def weights_hash(self) -> str:
        """The hash of all that decides what a step computes: the files but the start frames, the decoder's config."""
        decisive: dict[str, Any] = {name: value for name, value in self.sha256.items() if not is_starts(name)}
        decisive["decoder"] = self.decoder
        if self.language:
            decisive["language"] = self.language["fingerprint"]
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()

    def decoder_config(self, folder: Path) -> VideoDecoderConfig:
        """The decoder's config.

        Raises:
            CheckpointError: it is none.
        """
        try:
            return VideoDecoderConfig.from_json(with_tuples(self.decoder))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CheckpointError(
                f"decoder in {folder / MANIFEST} must be a decoder's config, got {error!r}; copy it again"
            ) from error

    def verify(self, folder: Path, files: Iterable[str]) -> None:
        """Check that the files are those that were written.

        Raises:
            CheckpointError: one is unlisted, missing or changed.
        """
        unlisted = [name for name in files if name not in self.sha256]
        if unlisted:
            raise CheckpointError(f"{folder / MANIFEST} must list {', '.join(unlisted)}; write the checkpoint again")
        expected = self.weights_hash
        if self.card.weights_hash != expected:
            raise CheckpointError(
                f"weights_hash in {folder / MANIFEST} must be {expected[:12]}..., that of the listed files and the "
                f"decoder's config, got {self.card.weights_hash[:12]}...; copy the folder again"
            )
        for name, expected in self.sha256.items():
            path = folder / name
            if not path.is_file():
                raise CheckpointError(f"checkpoint {folder} must hold {name}, which is missing; copy the folder again")
            found = sha256(path)
            if found != expected:
                raise CheckpointError(
                    f"{path} must have SHA-256 {str(expected)[:12]}..., got {found[:12]}... "
                    f"({path.stat().st_size} bytes): it is cut or changed; copy the folder again"
                )


def starts_file(world: str) -> str:
    """Where a world's start frames lie in a checkpoint."""
    return f"{STARTS}/{world}.png"


def is_starts(file: str) -> bool:
    """Whether a file of a checkpoint holds start frames."""
    return file.startswith(f"{STARTS}/")


def sha256(path: Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with JSON's lists as tuples again."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _model_card(path: Path, values: Mapping[str, Any]) -> ModelCard:
    try:
        worlds = {name: _world_card(card) for name, card in values["worlds"].items()}
        return ModelCard(**{**with_tuples(values), "worlds": worlds})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"card in {path} must be a checkpoint's card, got {error!r}; copy it again") from error


def _world_card(values: Mapping[str, Any]) -> WorldCard:
    tuples = with_tuples(values)
    return WorldCard(**{**tuples, "action_phrases": with_tuples(tuples["action_phrases"])})
