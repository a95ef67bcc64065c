"""A small codebook: vectors are replaced by the nearest of a few (VQ-VAE, arXiv:1711.00937).

Vectors and codes lie on the unit sphere (ViT-VQGAN, arXiv:2110.04627). To keep all codes in use, a training rewards
clear choices that differ over the batch: the entropy of the mean choice less the mean entropy of the choices
(MAGVIT-v2, arXiv:2310.05737, section 3.1). The first term alone is also content with a batch that cannot decide.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

TEMPERATURE = 0.1  # of the soft choice, in squared distance on the unit sphere
COMMITMENT = 0.25


@dataclass(frozen=True, eq=False)
class Quantised:
    """What a codebook makes of a batch of vectors.

    Attributes:
        codes: the number of the nearest code.
        embeddings: that code's vector; gradients pass to the vectors as if nothing had been replaced.
        errors: how far each vector and its code are from each other, as a loss of both.
        choices: the soft choice of each vector between the codes, which sums to 1.
    """

    codes: Int[Tensor, " batch"]
    embeddings: Float[Tensor, "batch code_width"]
    errors: Float[Tensor, " batch"]
    choices: Float[Tensor, "batch codes"]


class Codebook(nn.Module):
    """`num_codes` unit vectors of `code_width` numbers."""

    def __init__(self, num_codes: int, code_width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(F.normalize(torch.randn(num_codes, code_width), dim=1))

    def forward(self, vectors: Float[Tensor, "batch code_width"]) -> Quantised:
        """Replace vectors by codes."""
        vectors, table = F.normalize(vectors, dim=1), F.normalize(self.table, dim=1)
        distances = 2 - 2 * vectors @ table.T
        codes = distances.argmin(dim=1)
        nearest = table[codes]
        errors = (vectors.detach() - nearest).pow(2).sum(dim=1)
        return Quantised(
            codes=codes,
            embeddings=vectors + (nearest - vectors).detach(),
            errors=errors + COMMITMENT * (vectors - nearest.detach()).pow(2).sum(dim=1),
            choices=(-distances / TEMPERATURE).softmax(dim=1),
        )

    def embed(self, codes: Int[Tensor, " batch"]) -> Float[Tensor, "batch code_width"]:
        """The vectors of codes."""
        return F.normalize(self.table, dim=1)[codes]


def entropy(shares: Float[Tensor, "*batch codes"]) -> Float[Tensor, "*batch"]:
    """Entropy, in nats, of shares that sum to 1."""
    return -(shares * (shares + 1e-9).log()).sum(dim=-1)
