"""Presets: functions that build an untrained world model for a dataset."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.checkpoint import Parts
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig
from wm_gym.encoder.observation_encoder import ObservationEncoder, ObservationEncoderConfig
from wm_gym.training.reward_table import MAX_REWARD_VALUES, RewardTable, reward_table
from wm_gym.transition.action_encoder import ActionEncoder, ActionEncoderConfig
from wm_gym.transition.heads import Heads, HeadsConfig
from wm_gym.transition.language import LanguageModel
from wm_gym.transition.language_action_encoder import LanguageActionEncoder, LanguageActionEncoderConfig
from wm_gym.transition.memory_bank import MemoryConfig
from wm_gym.transition.tokenizer import BytePairs, train_tokenizer
from wm_gym.transition.transition import Transition, TransitionConfig
from wm_gym.world_card import ModelCard, WorldCard
from wm_gym.world_model import WorldModel
from wm_gym.worlds import WORLDS

MAX_STARTS = 256  # of all worlds together
MAX_STARTS_OF_WORLD = 64  # where there are several


@dataclass(frozen=True, kw_only=True)
class WorldModelSize:
    """Sizes of the networks; the defaults are the shipped `minigrid` checkpoint's.

    Attributes:
        transition_width: width of the language model.
        transition_layers: layers of the language model.
        history_rounds: past rounds it remembers. Training on segments of `num_rounds` shows it `num_rounds - 1`.
        sink_rounds: how many of them are a world's first rounds, never evicted.
        memory_rounds: past rounds that a step recalls, at most 8; 0 for no memory.
        memory_slots: rounds that the memory keeps to choose from; a place out of sight for longer is forgotten.
        memory_recency: weight of the oldest of them, where the newest has 1; above 1 may suit places that never change.
        decoder_width: width of the diffusion transformer.
        decoder_layers: its layers.
        decoder_heads: its attention heads.
        ffn_factor: its feed-forward width over its width.
        num_state_tokens: tokens of a latent state.
        window_chunks: chunks that the decoder's attention sees, the present one included.
        past_frames: clean frames before the chunk on the decoder's channels: one where a picture says all, two where
            things move by themselves.
        language: the language model that reads the texts: a shipped name ("minilm"), a folder or a hub id; "" for a
            tokenizer fitted to the data, whose words are learned with the rest.
        shift: shift of the noise levels.
        seed: of the initial weights.
    """

    transition_width: int = 128
    transition_layers: int = 2
    history_rounds: int = 3
    sink_rounds: int = 0
    memory_rounds: int = 0
    memory_slots: int = 128
    memory_recency: float = MemoryConfig.recency
    decoder_width: int = 128
    decoder_layers: int = 4
    decoder_heads: int = 4
    ffn_factor: int = 3
    num_state_tokens: int = 8
    window_chunks: int = 1
    past_frames: int = 1
    language: str = ""
    shift: float = 5.0
    seed: int = 0

    def describe(self) -> dict[str, object]:
        """What a resume must keep; a memory is named only where there is one, so that older trainings go on."""
        kept = {name: value for name, value in asdict(self).items() if self.memory_rounds or "memory" not in name}
        if self.memory_recency == MemoryConfig.recency:
            kept.pop("memory_recency", None)
        return kept


@dataclass(frozen=True, kw_only=True)
class _Shapes:
    latent_channels: int
    latent_size: tuple[int, int]
    chunk_frames: int
    size: WorldModelSize = field(default_factory=WorldModelSize)

    def encoder(self) -> ObservationEncoderConfig:
        return ObservationEncoderConfig(
            latent_channels=self.latent_channels,
            latent_size=self.latent_size,
            chunk_frames=self.chunk_frames,
            width=self.size.transition_width,
        )

    def transition(self, num_action_tokens: int) -> TransitionConfig:
        return TransitionConfig(
            language_model=_language_model(self.size),
            num_observation_tokens=self.encoder().num_tokens,
            num_action_tokens=num_action_tokens,
            num_state_tokens=self.size.num_state_tokens,
            history_rounds=self.size.history_rounds,
            sink_rounds=self.size.sink_rounds,
            memory=self.memory() if self.size.memory_rounds else None,
        )

    def memory(self) -> MemoryConfig:
        return MemoryConfig(
            rounds=self.size.memory_rounds,
            slots=self.size.memory_slots,
            recency=self.size.memory_recency,
            latent_channels=self.latent_channels,
            latent_size=self.latent_size,
            chunk_frames=self.chunk_frames,
        )

    def decoder(self) -> VideoDecoderConfig:
        return VideoDecoderConfig(
            latent_channels=self.latent_channels,
            latent_size=self.latent_size,
            chunk_frames=self.chunk_frames,
            window_chunks=self.size.window_chunks,
            past_frames=self.size.past_frames,
            recalled_frames=self.chunk_frames if self.size.memory_rounds else 0,
            shift=self.size.shift,
        )


def untrained_world_model(
    data: Mixture, autoencoder: PatchAutoencoder, size: WorldModelSize | None = None
) -> WorldModel:
    """A world model with fresh weights for the frames, texts and rewards of the data, around a trained autoencoder.

    Raises:
        ValueError: frames that do not divide into the encoder's patches, which would drop a rim unseen, or numeric
            actions without a language model, whose encoder alone takes them.
    """
    size = size or WorldModelSize()
    patch = autoencoder.patch_size * ObservationEncoderConfig().patch_size
    if any(pixels % patch for pixels in data.frame_size):
        raise ValueError(
            f"frame_size must be a multiple of {patch} pixels in height and width, got {data.frame_size}; "
            "record with another frame_size"
        )
    rows, columns = (pixels // autoencoder.patch_size for pixels in data.frame_size)
    shapes = _Shapes(
        latent_channels=autoencoder.latent_channels,
        latent_size=(rows, columns),
        chunk_frames=data.chunk_frames,
        size=size,
    )
    most = max(1, MAX_REWARD_VALUES // len(data.datasets))
    rewards = {dataset.manifest.world: reward_table(dataset, most) for dataset in data.datasets}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(size.seed)
        reader, action_encoder = _texts(data, size)
        values = tuple(sorted({value for table in rewards.values() for value in table.values}))
        return WorldModel(
            Parts(
                card=_card(data, rewards),
                autoencoder=autoencoder,
                encoder=ObservationEncoder.build(shapes.encoder()),
                reader=reader,
                action_encoder=action_encoder,
                transition=Transition.build(shapes.transition(action_encoder.num_tokens)),
                heads=Heads.build(HeadsConfig(reward_values=values, width=size.transition_width)),
                decoder=VideoDecoder(shapes.decoder(), _transformer(size)),
                starts=_starts(data),
            )
        )


def start_frames(dataset: Dataset, most: int = MAX_STARTS) -> UInt8[Tensor, "starts frames height width 3"]:
    """The first observations of up to `most` episodes, spread over the dataset."""
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(most, len(dataset))).astype(int))
    return torch.from_numpy(np.stack([dataset[int(index)].observations[0] for index in indices]))


def _starts(data: Mixture) -> dict[str, UInt8[Tensor, "starts frames height width 3"]]:
    most = MAX_STARTS if len(data.datasets) == 1 else MAX_STARTS_OF_WORLD
    kept = [dataset for dataset in data.datasets if ships_starts(dataset.manifest.world)]
    return {dataset.manifest.world: start_frames(dataset, most) for dataset in kept}


def ships_starts(world: str) -> bool:
    """Whether a checkpoint may hold start frames of a world; of those that the project does not know, it may."""
    return world not in WORLDS or WORLDS[world].ships_starts


def _texts(
    data: Mixture, size: WorldModelSize
) -> tuple[BytePairs | LanguageModel, ActionEncoder | LanguageActionEncoder]:
    """What reads the texts, and what encodes the reading."""
    if size.language:
        language = LanguageModel.from_pretrained(size.language)
        config = LanguageActionEncoderConfig(feature_width=language.width, width=size.transition_width)
        return language, LanguageActionEncoder.build(config)
    if data.max_controls:
        raise ValueError(
            "size.language must name a language model for worlds with numeric actions, got none; say minilm"
        )
    tokenizer = train_tokenizer((*data.action_texts, *data.event_texts[1:]))
    words = ActionEncoderConfig(vocabulary_size=tokenizer.get_vocab_size(), width=size.transition_width)
    return BytePairs(tokenizer), ActionEncoder.build(words)


def _card(data: Mixture, rewards: Mapping[str, RewardTable]) -> ModelCard:
    worlds = {dataset.manifest.world: world_card(dataset, rewards[dataset.manifest.world]) for dataset in data.datasets}
    return ModelCard(worlds=worlds, frame_size=data.frame_size, chunk_frames=data.chunk_frames)


def world_card(dataset: Dataset, rewards: RewardTable) -> WorldCard:
    """What a dataset says of its world."""
    manifest = dataset.manifest
    return WorldCard(
        render_fps=manifest.render_fps or 10,
        action_phrases=dict(manifest.action_phrases) or {text: (text,) for text in dataset.action_texts},
        key_map=dict(manifest.key_map),
        reward_range=rewards.extremes,
        control_low=manifest.control_low,
        control_high=manifest.control_high,
    )


def _language_model(size: WorldModelSize) -> dict[str, Any]:
    return {
        "model_type": "qwen3",
        "vocab_size": 1,  # texts enter as embeddings
        "hidden_size": size.transition_width,
        "intermediate_size": 3 * size.transition_width,
        "num_hidden_layers": size.transition_layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "head_dim": size.transition_width // 4,
        "max_position_embeddings": 4096,
        "pad_token_id": None,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _transformer(size: WorldModelSize) -> dict[str, Any]:
    return {
        "patch_size": (1, 1, 1),
        "num_attention_heads": size.decoder_heads,
        "attention_head_dim": size.decoder_width // size.decoder_heads,
        "text_dim": size.transition_width,
        "freq_dim": 64,
        "ffn_dim": size.ffn_factor * size.decoder_width,
        "num_layers": size.decoder_layers,
        "cross_attn_norm": True,
        "qk_norm": "rms_norm_across_heads",
        "rope_max_seq_len": 64,
    }
