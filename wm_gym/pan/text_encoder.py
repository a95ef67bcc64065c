"""Texts for the decoder: umT5's tokens, as Wan's pipeline in diffusers prepares them."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, UMT5EncoderModel


class TextEncoder(nn.Module):
    """Tokens of a text, then zeros up to `num_tokens`: Wan was trained to read those too."""

    def __init__(self, model: UMT5EncoderModel, tokenizer: PreTrainedTokenizerBase, num_tokens: int) -> None:
        super().__init__()
        self.model = model
        self.num_tokens = num_tokens
        self._tokenizer = tokenizer

    @property
    def width(self) -> int:
        """Width of a token."""
        return int(self.model.config.d_model)

    @torch.no_grad()
    def forward(self, texts: Sequence[str]) -> Float[Tensor, "texts words width"]:
        """Tokens of each text, surplus spaces left out.

        Raises:
            ValueError: a text of more than `num_tokens` tokens; Wan's pipeline would cut it.
        """
        rows = self._tokenizer([" ".join(text.split()) for text in texts]).input_ids
        longest = max(map(len, rows))
        if longest > self.num_tokens:
            raise ValueError(f"text must have at most {self.num_tokens} tokens of umT5, got {longest}; shorten it")
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        real = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = torch.tensor(row)
            real[index, : len(row)] = 1
        device = self.model.device
        tokens = self.model(input_ids=ids.to(device), attention_mask=real.to(device)).last_hidden_state
        tokens = tokens * real[:, :, None].to(tokens)
        return nn.functional.pad(tokens, (0, 0, 0, self.num_tokens - longest))
