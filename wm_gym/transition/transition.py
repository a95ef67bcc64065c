"""The transition f: a causal language model over rounds of [observation tokens, action tokens, learned queries].

PAN reads the next latent state at learned query embeddings in the assistant's turn (arXiv 2511.09057, section 3.1);
here too. Any `transformers` model that takes `inputs_embeds` and rotates its keys with `rotary_emb` serves.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.cache_utils import DynamicCache

from wm_gym.transition.memory_bank import (
    MemoryBank,
    MemoryConfig,
    Recalled,
    empty_bank,
    recall,
    write_round,
)
from wm_gym.transition.memory_reader import MemoryReader
from wm_gym.transition.round_cache import RoundCache, append_round


@dataclass(frozen=True, kw_only=True)
class TransitionConfig:
    """Shape of a `Transition`.

    Attributes:
        language_model: a `transformers` config as a dictionary, `model_type` included.
        num_observation_tokens: observation tokens a round.
        num_action_tokens: action tokens a round.
        num_state_tokens: K, the continuous tokens of a latent state.
        history_rounds: past rounds that the cache holds.
        sink_rounds: how many of them are a world's first rounds, never evicted.
        memory: how past rounds are kept to be recalled; None for not at all.
    """

    language_model: dict[str, Any]
    num_observation_tokens: int = 16
    num_action_tokens: int = 4
    num_state_tokens: int = 8
    history_rounds: int = 4
    sink_rounds: int = 1
    memory: MemoryConfig | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 <= self.sink_rounds < self.history_rounds:
            raise ValueError(
                f"sink_rounds must be at least 0 and below history_rounds ({self.history_rounds}), "
                f"got {self.sink_rounds}"
            )


class Transition(ModelMixin, ConfigMixin):
    """Predicts the next latent state of every round in a segment, or of one more round on a cache."""

    @register_to_config
    def __init__(
        self,
        language_model: dict[str, Any],
        num_observation_tokens: int = 16,
        num_action_tokens: int = 4,
        num_state_tokens: int = 8,
        history_rounds: int = 4,
        sink_rounds: int = 1,
        memory: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        settings = {key: value for key, value in language_model.items() if key != "model_type"}
        config = AutoConfig.for_model(language_model["model_type"], **settings)
        self.backbone = AutoModel.from_config(config, attn_implementation="sdpa")
        self.queries = nn.Embedding(num_state_tokens, config.hidden_size)
        self.history_rounds = history_rounds
        self.sink_rounds = sink_rounds
        self.num_action_tokens = num_action_tokens
        self.round_tokens = num_observation_tokens + num_action_tokens + num_state_tokens
        self.memory = None if memory is None else MemoryConfig.from_json(memory)
        self.reader = None if self.memory is None else MemoryReader(config.hidden_size)

    @classmethod
    def build(cls, config: TransitionConfig) -> "Transition":
        """A freshly initialised transition."""
        return cls(**asdict(config))

    def to_json_string(self) -> str:
        """The config as it is saved; without a memory nothing is said of one, so older weights keep their hash."""
        saved = json.loads(super().to_json_string())
        if saved.get("memory") is None:
            saved.pop("memory", None)
        return json.dumps(saved, indent=2, sort_keys=True) + "\n"

    @property
    def width(self) -> int:
        """Width of a token."""
        return self.queries.embedding_dim

    def forward(
        self,
        observation_tokens: Float[Tensor, "batch rounds tokens width"],
        action_tokens: Float[Tensor, "batch rounds actions width"],
    ) -> Float[Tensor, "batch rounds states width"]:
        """Latent states after every round of a segment; each round sees itself and the rounds before it.

        Raises:
            ValueError: more rounds than the cache would hold.
        """
        rounds = observation_tokens.shape[1]
        if rounds > self.history_rounds + 1:
            raise ValueError(f"rounds must be at most history_rounds + 1 = {self.history_rounds + 1}, got {rounds}")
        tokens = self._round(observation_tokens, action_tokens).flatten(1, 2)
        length = tokens.shape[1]
        mask = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        hidden = self.backbone(
            inputs_embeds=tokens, attention_mask=self._additive(mask[None, None], tokens), use_cache=False
        ).last_hidden_state
        states: Tensor = hidden.unflatten(1, (rounds, self.round_tokens))[:, :, -self.queries.num_embeddings :]
        return states

    def empty_cache(self, batch_size: int) -> RoundCache:
        """A cache without rounds, for the first step of a world."""
        config = self.backbone.config
        slots = self.history_rounds * self.round_tokens
        shape = (batch_size, config.num_hidden_layers, config.num_key_value_heads, slots, config.head_dim)
        zeros = torch.zeros(shape, dtype=self.dtype, device=self.device)
        return RoundCache(
            keys=zeros, values=zeros.clone(), rounds=torch.zeros(batch_size, dtype=torch.int64, device=self.device)
        )

    def empty_memory(self, batch_size: int) -> MemoryBank | None:
        """A memory without rounds, for the first step of a world; None where there is none."""
        if self.memory is None:
            return None
        return empty_bank(self.memory, batch_size, (self.num_action_tokens, self.width), self.queries.weight.detach())

    def recall(self, bank: MemoryBank, present: Float[Tensor, "batch frames channel h w"]) -> Recalled:
        """The rounds of a bank that matter now.

        Args:
            bank: from `empty_memory`, with the rounds up to now.
            present: latents of what is seen now.
        """
        assert self.memory is not None, "a transition without memory has no bank"
        return recall(bank, present, self.memory.rounds, self.memory.recency)

    def remember(
        self, action_tokens: Float[Tensor, "batch actions width"], recalled: Recalled
    ) -> Float[Tensor, "batch frames channel h w"]:
        """Latents of what the recalled rounds show of the place that the action leads to."""
        assert self.reader is not None, "a transition without memory has no reader"
        picture: Tensor = self.reader(action_tokens, recalled)
        return picture

    def recall_and_write(
        self,
        action_tokens: Float[Tensor, "batch actions width"],
        bank: MemoryBank | None,
        present: Float[Tensor, "batch frames channel h w"],
        written: Float[Tensor, "batch actions width"] | None = None,
    ) -> tuple[Float[Tensor, "batch recalled_frames channel h w"], MemoryBank | None]:
        """What memory shows, and the memory with this round in it; without one no frames, and nothing.

        Args:
            action_tokens: of the round.
            bank: the memory before the round.
            present: latents of what is seen in it.
            written: the action tokens that the memory keeps of it; None keeps `action_tokens`.
        """
        if bank is None:
            return present[:, :0], None
        picture = self.remember(action_tokens, self.recall(bank, present))
        return picture, write_round(bank, present, action_tokens if written is None else written)

    def step(
        self,
        cache: RoundCache,
        observation_tokens: Float[Tensor, "batch tokens width"],
        action_tokens: Float[Tensor, "batch actions width"],
    ) -> tuple[Float[Tensor, "batch states width"], RoundCache]:
        """The latent state after one more round, and the cache with that round in it."""
        tokens = self._round(observation_tokens[:, None], action_tokens[:, None])[:, 0]
        slots = cache.keys.shape[3]
        causal = torch.ones(self.round_tokens, self.round_tokens, dtype=torch.bool, device=tokens.device).tril()
        past = cache.filled(self.round_tokens)[:, None].expand(-1, self.round_tokens, -1)
        mask = torch.cat([past, causal.expand(len(tokens), -1, -1)], dim=2)[:, None]
        positions = torch.arange(slots, slots + self.round_tokens, device=tokens.device)[None]
        kv_cache = DynamicCache()
        for layer in range(cache.keys.shape[1]):
            kv_cache.update(cache.keys[:, layer], cache.values[:, layer], layer)
        hidden = self.backbone(
            inputs_embeds=tokens,
            attention_mask=self._additive(mask, tokens),
            position_ids=positions,
            past_key_values=kv_cache,
            use_cache=True,
        ).last_hidden_state
        layers: list[Any] = kv_cache.layers
        keys = torch.stack([layer.keys[:, :, slots:] for layer in layers], dim=1)
        values = torch.stack([layer.values[:, :, slots:] for layer in layers], dim=1)
        cos, sin = self._one_round(tokens)
        return hidden[:, -self.queries.num_embeddings :], append_round(cache, keys, values, cos, sin, self.sink_rounds)

    def _round(
        self,
        observation_tokens: Float[Tensor, "batch rounds tokens width"],
        action_tokens: Float[Tensor, "batch rounds actions width"],
    ) -> Float[Tensor, "batch rounds round_tokens width"]:
        queries = self.queries.weight.expand(*observation_tokens.shape[:2], -1, -1)
        return torch.cat([observation_tokens, action_tokens, queries], dim=2)

    def _one_round(self, tokens: Tensor) -> tuple[Float[Tensor, "head_dim"], Float[Tensor, "head_dim"]]:
        position = torch.full((1, 1), self.round_tokens, device=tokens.device)
        cos, sin = self.backbone.rotary_emb(tokens, position)
        return cos[0, 0], sin[0, 0]

    @staticmethod
    def _additive(mask: Bool[Tensor, "n 1 q k"], like: Tensor) -> Float[Tensor, "n 1 q k"]:
        return torch.zeros_like(mask, dtype=like.dtype).masked_fill(~mask, torch.finfo(like.dtype).min)
