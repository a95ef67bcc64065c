"""Action texts to token ids: a byte-level BPE, so that every printable text has a code and nothing is unknown.

Case and surplus spaces carry no meaning, as in the real twins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor

START = "<action>"  # opens every text, so that "" has a token too


def fold(text: str) -> str:
    """The text in lower case, its words one space apart."""
    return " ".join(text.lower().split())


def train_tokenizer(texts: Iterable[str], vocabulary_size: int = 512) -> Tokenizer:
    """Fit a byte-level BPE to the texts of a dataset.

    Args:
        texts: the distinct texts of actions and world events.
        vocabulary_size: upper bound; 256 bytes and the start token are always in.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted({fold(text) for text in texts}), trainer)
    return tokenizer


def tokenize(
    tokenizer: Tokenizer, texts: Sequence[str]
) -> tuple[Int64[Tensor, "texts length"], Bool[Tensor, "texts length"]]:
    """Token ids of the folded texts, padded to the longest, and which of them are real."""
    rows = [[tokenizer.token_to_id(START), *tokenizer.encode(fold(text)).ids] for text in texts]
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    real = torch.zeros_like(ids, dtype=torch.bool)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        real[index, : len(row)] = True
    return ids, real


@dataclass(frozen=True)
class BytePairs:
    """Reads texts as token ids, for an action encoder that learns the words of its world by itself.

    Attributes:
        tokenizer: from `train_tokenizer`.
    """

    tokenizer: Tokenizer

    def read(self, texts: Sequence[str]) -> tuple[Int64[Tensor, "texts length"], Bool[Tensor, "texts length"]]:
        """Token ids of each text, and which of them are no padding."""
        return tokenize(self.tokenizer, texts)
