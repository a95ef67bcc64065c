"""A patch autoencoder: one latent cell a patch of pixels, bounded and trained under noise.

The autoencoders of diffusers mix neighbouring cells in every 3x3 convolution, so that one moving tile changes the
latents of nine. With `kernel_size=1` a cell depends on its own patch alone: a step changes the latents exactly where it
changes the picture, and decoding followed by encoding snaps a slightly wrong cell back to a clean one.
"""

from dataclasses import asdict, dataclass

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float, UInt8
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class PatchAutoencoderConfig:
    """Shape of a `PatchAutoencoder`.

    Attributes:
        patch_size: pixels a side of the patch that becomes one latent cell.
        latent_channels: channels of a latent cell.
        width: hidden channels.
        num_blocks: residual blocks on each side.
        kernel_size: 1 keeps every patch to itself, 3 lets neighbours see each other.
    """

    patch_size: int = 8
    latent_channels: int = 16
    width: int = 128
    num_blocks: int = 2
    kernel_size: int = 1


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(norm(x)))), the norm over channels of each cell."""

    def __init__(self, width: int, kernel_size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.conv_in = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)
        self.conv_out = nn.Conv2d(width, width, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Float[Tensor, "n width h w"]) -> Float[Tensor, "n width h w"]:
        """Apply the block."""
        normed = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv_out(nn.functional.silu(self.conv_in(normed)))


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Frames in [-1, 1] <-> latents in [-1, 1], one cell a patch."""

    @register_to_config
    def __init__(
        self,
        patch_size: int = 8,
        latent_channels: int = 16,
        width: int = 128,
        num_blocks: int = 2,
        kernel_size: int = 1,
    ) -> None:
        super().__init__()
        blocks = [[ResidualBlock(width, kernel_size) for _ in range(num_blocks)] for _ in range(2)]
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, patch_size, stride=patch_size),
            *blocks[0],
            nn.Conv2d(width, latent_channels, 1),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(latent_channels, width, 1),
            *blocks[1],
            nn.Conv2d(width, 3 * patch_size**2, 1),
            nn.PixelShuffle(patch_size),
        )

    @classmethod
    def build(cls, config: PatchAutoencoderConfig) -> "PatchAutoencoder":
        """A freshly initialised autoencoder."""
        return cls(**asdict(config))

    @property
    def latent_channels(self) -> int:
        """Channels of a latent cell."""
        return int(self.config["latent_channels"])

    @property
    def patch_size(self) -> int:
        """Pixels a side of one latent cell."""
        return int(self.config["patch_size"])

    def encode(self, frames: UInt8[Tensor, "*lead height width 3"]) -> Float[Tensor, "*lead channel h w"]:
        """Frames (uint8) to latents in (-1, 1)."""
        lead = frames.shape[:-3]
        pixels = frames.reshape(-1, *frames.shape[-3:]).movedim(-1, 1).to(self.dtype) / 127.5 - 1
        latents: Tensor = self.encoder(pixels)
        return latents.reshape(*lead, *latents.shape[1:])

    def decode_pixels(self, latents: Float[Tensor, "*lead channel h w"]) -> Float[Tensor, "*lead 3 height width"]:
        """Latents to pixels around [-1, 1], differentiable and not clipped."""
        lead = latents.shape[:-3]
        pixels: Tensor = self.decoder(latents.reshape(-1, *latents.shape[-3:]))
        return pixels.reshape(*lead, *pixels.shape[1:])

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "*lead channel h w"]) -> UInt8[Tensor, "*lead height width 3"]:
        """Latents to frames (uint8)."""
        pixels = self.decode_pixels(latents).movedim(-3, -1)
        return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
