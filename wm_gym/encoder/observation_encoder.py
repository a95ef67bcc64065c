"""Patches of a chunk's latents, projected to the transition's width: the observation tokens (PAN's encoder h)."""

from dataclasses import asdict, dataclass

from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class ObservationEncoderConfig:
    """Shape of an `ObservationEncoder`.

    Attributes:
        latent_channels: channels of the latents.
        latent_size: (rows, columns) of the latents.
        chunk_frames: latent frames of an observation.
        patch_size: latent cells a side of one token.
        width: width of a token, that of the transition.
    """

    latent_channels: int = 16
    latent_size: tuple[int, int] = (8, 8)
    chunk_frames: int = 1
    patch_size: int = 2
    width: int = 128

    @property
    def num_tokens(self) -> int:
        """Observation tokens a chunk."""
        return self.chunk_frames * (self.latent_size[0] // self.patch_size) * (self.latent_size[1] // self.patch_size)


class ObservationEncoder(ModelMixin, ConfigMixin):
    """Latents of one chunk -> observation tokens with a learned position each."""

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 16,
        latent_size: tuple[int, int] = (8, 8),
        chunk_frames: int = 1,
        patch_size: int = 2,
        width: int = 128,
    ) -> None:
        super().__init__()
        shape = ObservationEncoderConfig(
            latent_channels=latent_channels,
            latent_size=(latent_size[0], latent_size[1]),
            chunk_frames=chunk_frames,
            patch_size=patch_size,
            width=width,
        )
        self.patch_embedding = nn.Conv2d(latent_channels, width, patch_size, stride=patch_size)
        self.position = nn.Embedding(shape.num_tokens, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width)
        )

    @classmethod
    def build(cls, config: ObservationEncoderConfig) -> "ObservationEncoder":
        """A freshly initialised encoder."""
        return cls(**asdict(config))

    @property
    def num_tokens(self) -> int:
        """Observation tokens a chunk."""
        return self.position.num_embeddings

    def forward(self, latents: Float[Tensor, "n chunk channel h w"]) -> Float[Tensor, "n tokens width"]:
        """Latents of n chunks to their observation tokens."""
        patches = self.patch_embedding(latents.flatten(0, 1)).flatten(2).transpose(1, 2)
        tokens = patches.reshape(len(latents), -1, patches.shape[-1]) + self.position.weight
        return tokens + self.mlp(tokens)
