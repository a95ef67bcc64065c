"""Reward and termination of a step, read off the latent state and the observation that was reached.

The latent state alone cannot know what a stochastic decoder will draw. The heads therefore also see the observation
tokens of the decoded frames, which the next round needs anyway: reward, termination and picture agree.
"""

from dataclasses import asdict, dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float, Int64
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class HeadsConfig:
    """Shape of `Heads`.

    Attributes:
        reward_values: the rewards of the world, sorted; the head chooses one of them.
        width: width of a token, that of the transition.
        num_heads: attention heads of the readout.
    """

    reward_values: tuple[float, ...] = (0.0, 1.0)
    width: int = 128
    num_heads: int = 4


class Heads(ModelMixin, ConfigMixin):
    """An attention readout over latent state and next observation tokens, then two linear layers."""

    @register_to_config
    def __init__(self, reward_values: tuple[float, ...] = (0.0, 1.0), width: int = 128, num_heads: int = 4) -> None:
        super().__init__()
        self.mixing = nn.TransformerEncoderLayer(
            width, num_heads, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.query = nn.Parameter(torch.randn(1, 1, width) / width**0.5)
        self.readout = nn.Linear(width, len(reward_values) + 1)
        self.register_buffer("_values", torch.tensor(list(reward_values)), persistent=False)

    @classmethod
    def build(cls, config: HeadsConfig) -> "Heads":
        """Freshly initialised heads."""
        return cls(**asdict(config))

    def forward(
        self, latent_state: Float[Tensor, "n states width"], observation_tokens: Float[Tensor, "n tokens width"]
    ) -> tuple[Float[Tensor, "n rewards"], Float[Tensor, "n"]]:
        """Logits over the reward values, and the logit of termination."""
        query = self.query.expand(len(latent_state), -1, -1)
        tokens = self.mixing(torch.cat([query, latent_state, observation_tokens], dim=1))
        logits = self.readout(tokens[:, 0])
        return logits[:, :-1], logits[:, -1]

    def reward(
        self, logits: Float[Tensor, "n rewards"], quantiles: Float[Tensor, "n"] | float = 0.5
    ) -> Float[Tensor, "n"]:
        """The reward at a quantile of its distribution, in [0, 1).

        The median, by default: of two values the likelier, and where one reward is spread over many values near each
        other, still one of these.
        """
        values: Tensor = self._values
        cumulative = logits.softmax(dim=-1).cumsum(dim=-1)
        passed = cumulative <= torch.as_tensor(quantiles).to(logits).reshape(-1, 1) * cumulative[:, -1:]
        return values[passed.sum(dim=-1).clamp(max=len(values) - 1)]

    def reward_class(self, reward: Float[Tensor, "n"]) -> Int64[Tensor, "n"]:
        """Index of the reward value nearest to each reward."""
        values: Tensor = self._values
        return (reward[:, None] - values).abs().argmin(dim=-1)
