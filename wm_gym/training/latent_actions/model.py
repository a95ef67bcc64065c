"""A latent-action model: which of a few codes turns one observation into the next (Genie, arXiv:2402.15391, 2.1).

The encoder sees both observations and names a code; the decoder sees the first one and the code alone, and predicts the
second. So the code must hold what the first observation does not tell: the action. No action is ever read. Both work
on the latents of a frozen autoencoder.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from wm_gym.training.latent_actions.codebook import Codebook, Quantised

KERNEL_SIZE = 3
FOCUS = 10.0  # how much more the encoder attends to the cell that changes most than to a still one, as a logit


@dataclass(frozen=True, kw_only=True)
class LatentActionConfig:
    """Shape of a `LatentActionModel`.

    Attributes:
        num_codes: codes that an action can be, at least 2.
        code_width: numbers of the vector that is quantised to a code.
        width: hidden channels.
        num_blocks: residual blocks of the encoder and of the decoder.
        num_pools: places of the picture that the encoder attends to.

    Raises:
        ValueError: when a number is out of its range.
    """

    num_codes: int = 8
    code_width: int = 16
    width: int = 48
    num_blocks: int = 2
    num_pools: int = 4

    def __post_init__(self) -> None:
        for name, least in (("num_codes", 2), ("code_width", 1), ("width", 1), ("num_blocks", 1), ("num_pools", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


class _Block(nn.Module):
    """x + conv1(silu(conv3(x))): cheap, since most of the training's time goes into the wide convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Float[Tensor, "batch width h w"]) -> Float[Tensor, "batch width h w"]:
        """Apply the block."""
        change: Tensor = self.out(nn.functional.silu(self.near(x)))
        return x + change


class LatentActionModel(nn.Module):
    """Encoder, codebook and decoder of latent actions.

    Attributes:
        config: its shape.
        latent_channels: channels of a latent cell.
        chunk_frames: frames an observation.
    """

    def __init__(self, config: LatentActionConfig, latent_channels: int, chunk_frames: int) -> None:
        """Builds it with fresh weights."""
        super().__init__()
        self.config = config
        self.latent_channels = latent_channels
        self.chunk_frames = chunk_frames
        channels, width = latent_channels * chunk_frames, config.width
        self.pair = nn.Conv2d(3 * channels, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.pair_blocks = nn.Sequential(*(_Block(width) for _ in range(config.num_blocks)))
        self.places = nn.Conv1d(width, config.num_pools, 1)
        self.vector = nn.Sequential(
            nn.Linear(config.num_pools * width, width), nn.SiLU(), nn.Linear(width, config.code_width)
        )
        self.codebook = Codebook(config.num_codes, config.code_width)
        self.before = nn.Conv2d(channels, width, KERNEL_SIZE, padding=KERNEL_SIZE // 2)
        self.steers = nn.ModuleList(nn.Linear(config.code_width, width) for _ in range(config.num_blocks))
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.num_blocks))
        self.change = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(self.change.weight)  # it starts from "nothing changes"
        assert self.change.bias is not None
        nn.init.zeros_(self.change.bias)

    def encode(
        self, before: Float[Tensor, "batch frames channel h w"], after: Float[Tensor, "batch frames channel h w"]
    ) -> Float[Tensor, "batch code_width"]:
        """The vectors, not yet quantised, of the changes from `before` to `after`."""
        vectors: Tensor = self.vector(self.look(before, after))
        return vectors

    def look(
        self, before: Float[Tensor, "batch frames channel h w"], after: Float[Tensor, "batch frames channel h w"]
    ) -> Float[Tensor, "batch features"]:
        """What the encoder sees at the places where something changes: the vectors are made of it."""
        changes = after - before[:, -1:]
        pair = torch.cat([before, after, changes], dim=1).flatten(1, 2)
        features = self.pair_blocks(self.pair(pair)).flatten(2)  # (batch, width, cells)
        where = changes.pow(2).mean(dim=(1, 2)).sqrt().flatten(1)
        focus = FOCUS * where / where.amax(dim=1, keepdim=True).clamp(min=1e-6)
        attention = (self.places(features) + focus[:, None]).softmax(dim=-1)
        pooled = torch.einsum("bpc,bwc->bpw", attention, features)
        return pooled.flatten(1)

    @torch.no_grad()
    def spread(
        self, before: Float[Tensor, "batch frames channel h w"], after: Float[Tensor, "batch frames channel h w"]
    ) -> None:
        """Scale fresh weights so that the vectors of these changes differ: alike, they would keep one code."""
        vectors, last = self.encode(before, after), self.vector[-1]
        assert isinstance(last, nn.Linear)
        scale = vectors.std(dim=0, correction=0).clamp(min=1e-6)
        last.weight.div_(scale[:, None])
        last.bias.sub_(vectors.mean(dim=0)).div_(scale)

    def quantise(self, vectors: Float[Tensor, "batch code_width"]) -> Quantised:
        """The code of each vector."""
        quantised: Quantised = self.codebook(vectors)
        return quantised

    def decode(
        self, before: Float[Tensor, "batch frames channel h w"], embeddings: Float[Tensor, "batch code_width"]
    ) -> Float[Tensor, "batch frames channel h w"]:
        """The latents that the embedded codes lead to from `before`."""
        hidden = self.before(before.flatten(1, 2))
        for steer, block in zip(self.steers, self.blocks, strict=True):
            hidden = block(hidden + steer(embeddings)[:, :, None, None])
        change: Tensor = self.change(hidden)
        return before[:, -1:] + change.view_as(before)

    def read(
        self, before: Float[Tensor, "batch frames channel h w"], after: Float[Tensor, "batch frames channel h w"]
    ) -> tuple[Float[Tensor, "batch features"], Int[Tensor, " batch"]]:
        """Features of the changes, for a classifier, and their codes.

        The features are what the encoder sees, the vectors, and the latents before and after where they change: no code
        needs to tell what is there before, but which action it was may depend on that.
        """
        seen = self.look(before, after)
        vectors = self.vector(seen)
        change = (after - before[:, -1:]).pow(2).mean(dim=(1, 2)).sqrt()
        share = change / change.sum(dim=(1, 2), keepdim=True).clamp(min=1e-6)
        there = [torch.einsum("bfchw,bhw->bfc", latents, share).flatten(1) for latents in (before, after)]
        return torch.cat([seen, vectors, *there], dim=1), self.quantise(vectors).codes

    @property
    def num_features(self) -> int:
        """Numbers that `read` tells of a change."""
        latents = 2 * self.chunk_frames * self.latent_channels
        return self.config.num_pools * self.config.width + self.config.code_width + latents
