"""A world whose drawn latents become its history as they are, rather than by way of the frames that they decode to."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.world_model import WorldModel


class KeptLatents(PatchAutoencoder):
    """An autoencoder that does not encode what it has just decoded: it gives the latents of these frames back."""

    _decoded: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "*lead channel h w"]) -> UInt8[Tensor, "*lead height width 3"]:
        """As the autoencoder does."""
        frames = super().decode(latents)
        self._decoded = frames, latents
        return frames

    def encode(self, frames: UInt8[Tensor, "*lead height width 3"]) -> Float[Tensor, "*lead channel h w"]:
        """The latents that these frames were decoded from, where they are the last ones decoded."""
        if self._decoded is not None and self._decoded[0] is frames:
            return self._decoded[1]
        return super().encode(frames)


def keep_latents(model: WorldModel) -> None:
    """From now on the model does not encode again what it decodes; the uncertainty of its steps is then always 0."""
    keeping: KeptLatents = KeptLatents.from_config(model.autoencoder.config)
    keeping.load_state_dict(model.autoencoder.state_dict())
    model.autoencoder = keeping.to(model.device).eval()
