"""Token ids of an action text -> a fixed number of action tokens, whatever the text's length.

A fixed number keeps every round of the dialogue equally long, so that the KV cache has static slots and a text is
encoded once and then reused.
"""

from dataclasses import asdict, dataclass

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ActionEncoderConfig:
    """Shape of an `ActionEncoder`.

    Attributes:
        vocabulary_size: entries of the tokenizer.
        max_tokens: longest text in tokens, the start token included.
        num_tokens: action tokens a text becomes.
        width: width of a token, that of the transition.
        num_heads: attention heads.
    """

    vocabulary_size: int = 512
    max_tokens: int = 320
    num_tokens: int = 4
    width: int = 128
    num_heads: int = 4


class ActionEncoder(ModelMixin, ConfigMixin):
    """Embeds the tokens of a text, mixes them in one attention layer and reads them at learned queries."""

    @register_to_config
    def __init__(
        self,
        vocabulary_size: int = 512,
        max_tokens: int = 320,
        num_tokens: int = 4,
        width: int = 128,
        num_heads: int = 4,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, width)
        self.position = nn.Embedding(max_tokens, width)
        nn.init.normal_(self.position.weight, std=0.02)
        self.mixing = nn.TransformerEncoderLayer(
            width, num_heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.queries = nn.Embedding(num_tokens, width)
        self.reading = nn.MultiheadAttention(width, num_heads, batch_first=True)

    @classmethod
    def build(cls, config: ActionEncoderConfig) -> "ActionEncoder":
        """A freshly initialised encoder."""
        return cls(**asdict(config))

    @property
    def num_tokens(self) -> int:
        """Action tokens a text becomes."""
        return self.queries.num_embeddings

    def forward(
        self, ids: Int64[Tensor, "texts length"], real: Bool[Tensor, "texts length"]
    ) -> Float[Tensor, "texts tokens width"]:
        """Action tokens of each text; padding (`real` False) does not matter."""
        tokens = self.embedding(ids) + self.position.weight[: ids.shape[1]]
        tokens = self.mixing(tokens, src_key_padding_mask=~real)
        queries = self.queries.weight.expand(len(ids), -1, -1)
        read, _ = self.reading(queries, tokens, tokens, key_padding_mask=~real, need_weights=False)
        return queries + read
