"""PAN's second stream of conditions: a copy of the text cross-attention that reads the latent state.

In every block the latent state goes through a linear layer to the width of the conditions, the copied cross-attention
and a linear layer that starts at zero; what comes out is added to the text cross-attention's (PAN, arXiv 2511.09057,
section 3.2 and figure 2). Untrained, the transformer therefore computes what its official weights compute. The paper
does not say whether blocks share the first layer; here they do, as they share the text's.
"""

import copy

from diffusers.models.transformers.transformer_wan import WanAttention, WanTransformer3DModel
from jaxtyping import Float
from torch import Tensor, nn

from wm_gym.decoder.chunk_attention import ChunkCrossAttention


class CopiedAttention(nn.Module):
    """The copied cross-attention of one block, and its output layer."""

    def __init__(self, text_attention: WanAttention) -> None:
        super().__init__()
        self.attention = copy.deepcopy(text_attention)
        self.output = nn.Linear(text_attention.inner_dim, text_attention.inner_dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.output.to(text_attention.to_q.weight.device, text_attention.to_q.weight.dtype)


class LatentStateStream(nn.Module):
    """The weights that PAN adds to Wan's transformer."""

    def __init__(self, transformer: WanTransformer3DModel, state_width: int) -> None:
        """Copy the text cross-attentions of a loaded transformer.

        Args:
            transformer: it is not changed.
            state_width: width of a token of the latent state.
        """
        super().__init__()
        self.projection = nn.Linear(state_width, transformer.blocks[0].attn2.inner_dim)
        weight = transformer.blocks[0].attn2.to_q.weight
        self.projection.to(weight.device, weight.dtype)
        self.blocks = nn.ModuleList(CopiedAttention(block.attn2) for block in transformer.blocks)

    @property
    def copies(self) -> list[CopiedAttention]:
        """The copied cross-attentions, block by block."""
        return [block for block in self.blocks if isinstance(block, CopiedAttention)]


class TwoStreamCrossAttention(ChunkCrossAttention):
    """Cross-attention of one layer: every chunk reads its own text, and its own latent state where there is one."""

    def __init__(self, added: CopiedAttention) -> None:
        super().__init__()
        self.added = added
        self.latent_state: Tensor | None = None  # projected; one sequence for all chunks, like the text

    def __call__(
        self,
        attn: WanAttention,
        hidden_states: Float[Tensor, "batch tokens width"],
        encoder_hidden_states: Float[Tensor, "batch words width"],
        attention_mask: None = None,
        rotary_emb: None = None,
    ) -> Float[Tensor, "batch tokens width"]:
        """Attend chunk by chunk, and sum the streams."""
        text = super().__call__(attn, hidden_states, encoder_hidden_states)
        if self.latent_state is None:
            return text
        return text + self.added.output(super().__call__(self.added.attention, hidden_states, self.latent_state))
