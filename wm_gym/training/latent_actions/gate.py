"""The gate of latent actions: do the codes matter? The action-shuffle ratio, on episodes that were held out.

A decoder that ignores its code predicts as well with another's code: the ratio is 1. Nothing that is read off such
codes means anything, so what would use them asks the gate first.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.training.latent_actions.codebook import entropy
from wm_gym.training.latent_actions.model import LatentActionModel

MIN_SHUFFLE_RATIO = 1.5  # measured: 1.00 of collapsed codes, 1.2 of codes learned by halves, 8 of good ones on MiniGrid
NUM_PAIRS = 2000  # held-out pairs to measure on
_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What was measured on held-out pairs in which the picture changes.

    Attributes:
        shuffle_ratio: squared error with the codes shuffled among the pairs, over that with the right ones.
        num_pairs: pairs that it was measured on.
        num_codes: codes that there are.
        num_used_codes: codes that at least a hundredth of the pairs have.
        perplexity: the exponential of the codes' entropy: how many equally frequent codes would tell as much.
        explained: share of the squared change of the latents that the right codes predict; 1 is all, 0 as much as
            predicting no change.
    """

    shuffle_ratio: float
    num_pairs: int
    num_codes: int
    num_used_codes: int
    perplexity: float
    explained: float

    @property
    def is_open(self) -> bool:
        """Whether the codes may be used."""
        return self.shuffle_ratio >= MIN_SHUFFLE_RATIO

    def __str__(self) -> str:
        """One line for a person."""
        line = (
            f"latent actions: shuffled codes make the error {self.shuffle_ratio:.2f} times as large on "
            f"{self.num_pairs} held-out changes ({100 * self.explained:.0f} % of the change predicted); "
            f"{self.num_used_codes} of {self.num_codes} codes used, perplexity {self.perplexity:.1f}"
        )
        if not self.is_open:
            line += f"; below {MIN_SHUFFLE_RATIO} they cannot label: train longer, or with other --num-codes"
        elif self.num_used_codes < self.num_codes / 2:
            line += "; more than half of the codes collapsed: lower --num-codes or raise --stage.entropy-weight"
        return line


@torch.no_grad()
def measure_gate(
    model: LatentActionModel,
    before: Float[Tensor, "pairs frames channel h w"],
    after: Float[Tensor, "pairs frames channel h w"],
    seed: int = 0,
) -> Gate:
    """Measure on pairs of latents.

    Args:
        model: the model.
        before: latents before visible steps, at least 2.
        after: latents after them.
        seed: of the shuffle.

    Returns:
        What was measured.
    """
    chunks = list(zip(before.split(_AT_ONCE), after.split(_AT_ONCE), strict=True))
    codes = torch.cat([model.read(*chunk)[1] for chunk in chunks])
    shuffled = codes[torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed)).to(codes.device)]
    errors = {"right": 0.0, "shuffled": 0.0, "still": 0.0}
    for number, (first, second) in enumerate(chunks):
        rows = slice(number * _AT_ONCE, number * _AT_ONCE + len(first))
        for name, chosen in (("right", codes), ("shuffled", shuffled)):
            predicted = model.decode(first, model.codebook.embed(chosen[rows]))
            errors[name] += (predicted - second).pow(2).sum().item()
        errors["still"] += (first[:, -1:] - second).pow(2).sum().item()
    shares = torch.bincount(codes, minlength=model.config.num_codes) / len(codes)
    return Gate(
        shuffle_ratio=errors["shuffled"] / max(errors["right"], 1e-9),
        num_pairs=len(codes),
        num_codes=model.config.num_codes,
        num_used_codes=int((shares >= 0.01).sum()),
        perplexity=float(entropy(shares).exp()),
        explained=1 - errors["right"] / max(errors["still"], 1e-9),
    )
