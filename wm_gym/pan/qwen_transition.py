"""The transition f at PAN's scale: Qwen2.5-VL's language model over rounds of a dialogue.

A round is PAN's template (arXiv 2511.09057, section 3.1): the user's turn holds the last latent state and the observed
tokens, [s_k, h(o_k)], and the action's text; the assistant's turn holds the learned queries, where the next latent
state is read. Every round has the same places, so that the cache of `round_cache` serves; what is empty in one, the end
of a short text or the latent state before a world's first round, is masked.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.cache_utils import DynamicCache
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLTextModel

from wm_gym.transition.round_cache import RoundCache, append_round

BEFORE_STATE = "<|im_start|>user\n<|vision_start|>"
BEFORE_ACTION = "<|vision_end|>"
BEFORE_QUERIES = "<|im_end|>\n<|im_start|>assistant\n"
AFTER_QUERIES = "<|im_end|>\n"


@dataclass(frozen=True, kw_only=True)
class QwenTransitionConfig:
    """Shape of a round and length of the history.

    Attributes:
        grid: observation tokens in time, down and across.
        time_interval: distance of two observation tokens in time, in positions.
        num_state_tokens: tokens of a latent state.
        max_action_tokens: longest action in tokens.
        history_rounds: past rounds that the cache holds.
        sink_rounds: how many of them are a world's first rounds, never evicted.
    """

    grid: tuple[int, int, int]
    time_interval: float
    num_state_tokens: int
    max_action_tokens: int
    history_rounds: int
    sink_rounds: int


@dataclass(frozen=True)
class Dialogue:
    """The rounds that a world remembers.

    Attributes:
        cache: their keys, in float32 since they are rotated anew each round, and values.
        real: which places of the cache hold a token.
    """

    cache: RoundCache
    real: Bool[Tensor, "batch slots"]


class QwenTransition(nn.Module):
    """Predicts the latent state of one more round."""

    def __init__(
        self, language_model: Qwen2_5_VLTextModel, tokenizer: PreTrainedTokenizerBase, config: QwenTransitionConfig
    ) -> None:
        super().__init__()
        self.language_model = language_model
        self.config = config
        self._tokenizer = tokenizer
        width = language_model.config.hidden_size
        self.queries = nn.Embedding(config.num_state_tokens, width)
        nn.init.normal_(self.queries.weight, std=language_model.config.initializer_range)
        self.queries.to(language_model.embed_tokens.weight.device, language_model.embed_tokens.weight.dtype)
        templates = (BEFORE_STATE, BEFORE_ACTION, BEFORE_QUERIES, AFTER_QUERIES)
        self._templates = [self._ids(text) for text in templates]
        self._positions, self.round_span = self._round_positions()
        self.round_tokens = self._positions.shape[1]

    @property
    def width(self) -> int:
        """Width of a token."""
        return self.queries.embedding_dim

    def tokenize(self, action: str) -> tuple[Int64[Tensor, "places"], Bool[Tensor, "places"]]:
        """Token ids of an action and which of them are real.

        Raises:
            ValueError: an action of more than `max_action_tokens` tokens.
        """
        found, places = self._ids(action), self.config.max_action_tokens
        if len(found) > places:
            raise ValueError(f"action must have at most {places} tokens, got {len(found)}; shorten it")
        ids = torch.zeros(places, dtype=torch.int64)
        ids[: len(found)] = found
        return ids, torch.arange(places) < len(found)

    def empty(self, batch_size: int) -> Dialogue:
        """No rounds, for a world's start."""
        config, weight = self.language_model.config, self.queries.weight
        slots = self.config.history_rounds * self.round_tokens
        head_dim = config.hidden_size // config.num_attention_heads
        heads = config.num_key_value_heads or config.num_attention_heads
        shape = (batch_size, config.num_hidden_layers, heads, slots, head_dim)
        keys = torch.zeros(shape, dtype=torch.promote_types(weight.dtype, torch.float32), device=weight.device)
        rounds = torch.zeros(batch_size, dtype=torch.int64, device=weight.device)
        cache = RoundCache(keys=keys, values=torch.zeros_like(keys, dtype=weight.dtype), rounds=rounds)
        return Dialogue(cache, torch.zeros(batch_size, slots, dtype=torch.bool, device=weight.device))

    def step(
        self,
        dialogue: Dialogue,
        latent_state: Float[Tensor, "batch states width"],
        has_state: Bool[Tensor, "batch"],
        observation_tokens: Float[Tensor, "batch tokens width"],
        action_ids: Int64[Tensor, "batch places"],
        action_real: Bool[Tensor, "batch places"],
    ) -> tuple[Float[Tensor, "batch states width"], Dialogue]:
        """The latent state after one more round, and the dialogue with that round in it.

        Args:
            dialogue: past rounds; not changed.
            latent_state: what the last round predicted; anything where `has_state` is False.
            has_state: False in a world's first round.
            observation_tokens: of the chunk that was seen.
            action_ids: from `tokenize`.
            action_real: from `tokenize`.
        """
        cache, slots = dialogue.cache, dialogue.real.shape[1]
        tokens, real = self.round(latent_state, has_state, observation_tokens, action_ids, action_real)
        length = self.round_tokens
        causal = torch.ones(length, length, dtype=torch.bool, device=tokens.device).tril()
        past = dialogue.real[:, None].expand(-1, length, -1)
        seen = torch.cat([past, causal & real[:, None]], dim=2)[:, None]
        mask = torch.zeros_like(seen, dtype=tokens.dtype).masked_fill(~seen, torch.finfo(tokens.dtype).min)
        kv_cache = DynamicCache()
        for layer in range(cache.keys.shape[1]):
            kv_cache.update(cache.keys[:, layer].to(tokens.dtype), cache.values[:, layer], layer)
        hidden = self.language_model(
            inputs_embeds=tokens,
            attention_mask=mask,
            position_ids=self.positions(self.config.history_rounds, len(tokens)),
            past_key_values=kv_cache,
            use_cache=True,
        ).last_hidden_state
        layers: list[Any] = kv_cache.layers
        keys = torch.stack([layer.keys[:, :, slots:] for layer in layers], dim=1)
        values = torch.stack([layer.values[:, :, slots:] for layer in layers], dim=1)
        cos, sin = self._one_round(cache.keys)
        after = append_round(cache, keys.to(cache.keys), values, cos, sin, self.config.sink_rounds)
        return self.read(hidden), Dialogue(after, self._append_real(dialogue, real))

    def round(
        self,
        latent_state: Float[Tensor, "batch states width"],
        has_state: Bool[Tensor, "batch"],
        observation_tokens: Float[Tensor, "batch tokens width"],
        action_ids: Int64[Tensor, "batch places"],
        action_real: Bool[Tensor, "batch places"],
    ) -> tuple[Float[Tensor, "batch round width"], Bool[Tensor, "batch round"]]:
        """The tokens of a round, and which of them are real."""
        batch, embed = len(observation_tokens), self.language_model.embed_tokens
        fixed = [embed(ids.to(embed.weight.device)).expand(batch, -1, -1) for ids in self._templates]
        queries = self.queries.weight.expand(batch, -1, -1)
        parts = [
            fixed[0],
            latent_state.to(queries),
            observation_tokens.to(queries),
            fixed[1],
            embed(action_ids),
            fixed[2],
            queries,
            fixed[3],
        ]
        masks = [torch.ones(part.shape[:2], dtype=torch.bool, device=queries.device) for part in parts]
        masks[1] = has_state[:, None].expand(-1, latent_state.shape[1])
        masks[4] = action_real
        return torch.cat(parts, dim=1), torch.cat(masks, dim=1)

    def read(self, hidden: Float[Tensor, "batch round width"]) -> Float[Tensor, "batch states width"]:
        """The latent state at the queries of a round."""
        end = hidden.shape[1] - len(self._templates[3])
        return hidden[:, end - self.config.num_state_tokens : end]

    def positions(self, rounds_before: int, batch_size: int) -> Int64[Tensor, "3 batch round"]:
        """Positions of a round in time, down and across (Qwen's multimodal RoPE)."""
        moved = self._positions.to(self.queries.weight.device) + rounds_before * self.round_span
        return moved[:, None].expand(-1, batch_size, -1)

    def _round_positions(self) -> tuple[Int64[Tensor, "3 round"], int]:
        """As `Qwen2_5_VLModel.get_rope_index` numbers them: after a picture goes on behind its farthest corner."""
        times, rows, columns = self.config.grid
        grid = torch.meshgrid(
            (torch.arange(times) * self.config.time_interval).long(),
            torch.arange(rows),
            torch.arange(columns),
            indexing="ij",
        )
        before = len(self._templates[0]) + self.config.num_state_tokens
        picture = torch.stack(grid).flatten(1) + before
        start = int(picture.max()) + 1
        places = sum(map(len, self._templates[1:])) + self.config.max_action_tokens + self.config.num_state_tokens
        text = torch.arange(start, start + places)
        lead = torch.arange(before)
        return torch.cat([lead.expand(3, -1), picture, text.expand(3, -1)], dim=1), start + places

    def _one_round(self, like: Tensor) -> tuple[Float[Tensor, "head_dim"], Float[Tensor, "head_dim"]]:
        position = torch.full((3, 1, 1), self.round_span, device=like.device)
        cos, sin = self.language_model.rotary_emb(like, position)
        return cos[0, 0], sin[0, 0]

    def _append_real(self, dialogue: Dialogue, real: Bool[Tensor, "batch round"]) -> Bool[Tensor, "batch slots"]:
        moved = torch.cat([dialogue.real, real], dim=1)[:, self.round_tokens :]
        stays = torch.zeros(moved.shape[1], dtype=torch.bool, device=real.device)
        stays[: self.config.sink_rounds * self.round_tokens] = True
        full = dialogue.cache.rounds == self.config.history_rounds
        return torch.where(full[:, None] & stays, dialogue.real, moved)

    def _ids(self, text: str) -> Int64[Tensor, "ids"]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False).input_ids
        return torch.tensor(ids, dtype=torch.int64)
