"""The parts of a PAN-scale world model, built around loaded networks, and the weights that PAN adds to them."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from wm_gym.pan.config import PanConfig
from wm_gym.pan.parts import (
    check_weights,
    load_text_encoder,
    load_tokenizer,
    load_transformer,
    load_vae,
    load_vision_language_model,
    locate_video_model,
    locate_vision_language_model,
    shapes_in,
)
from wm_gym.pan.placement import Placement, store_in_fp8
from wm_gym.pan.qwen_encoder import QwenEncoder
from wm_gym.pan.qwen_transition import QwenTransition, QwenTransitionConfig
from wm_gym.pan.streaming_autoencoder import StreamingAutoencoder
from wm_gym.pan.text_encoder import TextEncoder
from wm_gym.pan.wan_decoder import WanDecoder, WanDecoderConfig

ADAPTER = "pan"  # pan.safetensors: the queries and the stream of the latent state
_HASHED = (".json", ".safetensors")
_SAMPLE = 2**16  # bytes hashed at either end of a file of weights


@dataclass(frozen=True, kw_only=True)
class PanParts:
    """The networks of a PAN-scale world model.

    Attributes:
        config: sizes and defaults.
        encoder: frames -> observation tokens.
        transition: rounds -> latent state.
        text_encoder: texts -> what the decoder reads of them.
        decoder: latent state, text and past -> velocity.
        autoencoder: frames <-> latents.
        placement: where they wait and run.
        fingerprint: of the files that they were loaded from, and of the config.
    """

    config: PanConfig
    encoder: QwenEncoder
    transition: QwenTransition
    text_encoder: TextEncoder
    decoder: WanDecoder
    autoencoder: StreamingAutoencoder
    placement: Placement
    fingerprint: str

    @classmethod
    def load(
        cls,
        vision_language: str | Path,
        video: str | Path,
        adapter: str | Path | None,
        config: PanConfig,
        device: torch.device,
    ) -> "PanParts":
        """Load the parts; see `WorldModel.from_parts`.

        Raises:
            PartError: a missing folder, a wrong part, a missing or misfitting weight.
            ValueError: parts that do not fit each other or the config.
        """
        if adapter is not None:
            shapes_in(Path(adapter), ADAPTER)  # before the large files
        video_folder = locate_video_model(video)
        language_folder = locate_vision_language_model(vision_language)
        dtype, vae_dtype = getattr(torch, config.dtype), getattr(torch, config.autoencoder_dtype)
        autoencoder = StreamingAutoencoder(load_vae(video_folder / "vae", vae_dtype))
        qwen = load_vision_language_model(language_folder, dtype).model
        encoder = QwenEncoder(qwen.visual, config.observed_frames, config.frame_size)
        transition = QwenTransition(
            qwen.language_model,
            load_tokenizer(language_folder),
            _transition_config(config, encoder.grid, qwen.config.vision_config.tokens_per_second),
        )
        decoder = WanDecoder(
            load_transformer(video_folder / "transformer", dtype),
            _decoder_config(config, autoencoder),
            transition.width,
        )
        text_encoder = TextEncoder(
            load_text_encoder(video_folder / "text_encoder", dtype),
            load_tokenizer(video_folder / "tokenizer"),
            config.num_text_tokens,
        )
        _check_widths(autoencoder, text_encoder, decoder)
        folders = [language_folder, *(video_folder / part for part in ("transformer", "vae", "text_encoder"))]
        parts = cls(
            config=config,
            encoder=encoder,
            transition=transition,
            text_encoder=text_encoder,
            decoder=decoder,
            autoencoder=autoencoder,
            placement=Placement(device, config.offload),
            fingerprint=_fingerprint([*folders, *([] if adapter is None else [Path(adapter)])], config),
        )
        if adapter is not None:
            parts.load_adapter(Path(adapter))
        parts.settle()
        return parts

    @property
    def networks(self) -> tuple[nn.Module, ...]:
        """All of them."""
        return self.encoder, self.transition, self.text_encoder, self.decoder, self.autoencoder

    @property
    def adapter(self) -> nn.ModuleDict:
        """What PAN adds to the official weights, and trains."""
        return nn.ModuleDict({"queries": self.transition.queries, "stream": self.decoder.stream})

    def save_adapter(self, folder: Path) -> None:
        """Write what PAN adds to the official weights into `folder`, as safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        weights: dict[str, Tensor] = {name: tensor.contiguous() for name, tensor in self.adapter.state_dict().items()}
        save_file(weights, folder / f"{ADAPTER}.safetensors", {"format": "pt"})

    def load_adapter(self, folder: Path) -> None:
        """Read what `save_adapter` wrote.

        Raises:
            PartError: a missing file, or weights of other sizes.
        """
        adapter = self.adapter
        check_weights(folder, shapes_in(folder, ADAPTER), adapter)
        adapter.load_state_dict(load_file(folder / f"{ADAPTER}.safetensors"))

    def settle(self) -> None:
        """Quantize, freeze and place the networks."""
        if self.config.quantization == "fp8":
            store_in_fp8(self.decoder.transformer.blocks)
            store_in_fp8(self.transition.language_model.layers)
            store_in_fp8(self.text_encoder.model.encoder.block)
        for network in self.networks:
            network.requires_grad_(False).eval()
        self.placement.settle(*self.networks)


def _transition_config(config: PanConfig, grid: tuple[int, int, int], tokens_per_second: int) -> QwenTransitionConfig:
    seconds = config.chunk_frames / config.world.render_fps / grid[0]
    return QwenTransitionConfig(
        grid=grid,
        time_interval=tokens_per_second * seconds,
        num_state_tokens=config.num_state_tokens,
        max_action_tokens=config.max_action_tokens,
        history_rounds=config.history_rounds,
        sink_rounds=config.sink_rounds,
    )


def _decoder_config(config: PanConfig, autoencoder: StreamingAutoencoder) -> WanDecoderConfig:
    cell, (height, width) = autoencoder.cell_size, config.frame_size
    if height % cell or width % cell:
        raise ValueError(f"frame_size must be a multiple of {cell} pixels a side, got {(height, width)}; change it")
    return WanDecoderConfig(
        latent_size=(height // cell, width // cell),
        chunk_latents=config.chunk_latents,
        window_chunks=config.window_chunks,
        shift=config.shift,
    )


def _check_widths(autoencoder: StreamingAutoencoder, text_encoder: TextEncoder, decoder: WanDecoder) -> None:
    wanted = decoder.transformer.config
    for name, found, expected in (
        ("vae: channels of the latents", autoencoder.latent_channels, wanted.in_channels),
        ("text_encoder: width of a token", text_encoder.width, wanted.text_dim),
    ):
        if found != expected:
            raise ValueError(f"{name} must be the transformer's, {expected}, got {found}; take parts of one model")


def _fingerprint(folders: Sequence[Path], config: PanConfig) -> str:
    """SHA-256 of the configs whole, of each file of weights its size and both ends: all of 50 GB would take minutes."""
    digest = hashlib.sha256(json.dumps(asdict(config), sort_keys=True).encode())
    for path in sorted(path for folder in folders for path in folder.iterdir() if path.suffix in _HASHED):
        size = path.stat().st_size
        digest.update(f"{path.parent.name}/{path.name} {size}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_SAMPLE))
            file.seek(max(0, size - _SAMPLE))
            digest.update(file.read())
    return digest.hexdigest()
