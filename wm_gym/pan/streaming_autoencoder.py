"""Wan's video autoencoder as a stream: chunk by chunk what diffusers computes of the whole video.

`AutoencoderKLWan` is causal in time: the first frame is a latent of its own, then every four frames are one. Each of
its convolutions keeps the last features that it saw. diffusers keeps them inside the model and forgets them after each
call; here they are a value that goes in and comes out, so that a world can be forked and saved between two chunks.
"""

from collections.abc import Mapping

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan, patchify, unpatchify
from jaxtyping import Float, UInt8
from torch import Tensor, nn

FRAMES_PER_LATENT = 4  # after the first frame; fixed in diffusers' own encode

FeatureCache = Mapping[str, Tensor]
"""Features by the number of their convolution, (batch, ...); empty before the first frame."""


class StreamingAutoencoder(nn.Module):
    """Frames <-> latents, normalised to mean 0 and standard deviation 1 by the model's own statistics."""

    def __init__(self, vae: AutoencoderKLWan) -> None:
        """Wrap a loaded autoencoder.

        Raises:
            ValueError: it does not fold four frames into a latent.
        """
        super().__init__()
        folded = 2 ** sum(vae.config.temperal_downsample)
        if folded != FRAMES_PER_LATENT:
            raise ValueError(
                f"temperal_downsample of the autoencoder must fold {FRAMES_PER_LATENT} frames into a latent, "
                f"got {list(vae.config.temperal_downsample)}, which folds {folded}; take Wan's autoencoder"
            )
        self.vae = vae
        statistics = torch.tensor([vae.config.latents_mean, vae.config.latents_std])[:, None, None, :, None, None]
        self.register_buffer("_statistics", statistics, persistent=False)

    @property
    def latent_channels(self) -> int:
        """Channels of a latent."""
        return int(self.vae.config.z_dim)

    @property
    def cell_size(self) -> int:
        """Pixels a side of one latent cell."""
        return int(self.vae.config.scale_factor_spatial)

    @torch.no_grad()
    def encode(
        self, cache: FeatureCache, frames: UInt8[Tensor, "batch frames height width 3"]
    ) -> tuple[Float[Tensor, "batch latents channel h w"], FeatureCache]:
        """The next latents of a video, and the cache behind them; `cache` stays as it is.

        Args:
            cache: from the call before, or empty at a video's start.
            frames: 1 + 4 n frames at the start, 4 n after it.

        Raises:
            ValueError: another number of frames.
        """
        lead = 0 if cache else 1
        if frames.shape[1] < max(lead, 1) or (frames.shape[1] - lead) % FRAMES_PER_LATENT:
            rule = "4 n after a video's start" if cache else "1 + 4 n at a video's start"
            raise ValueError(f"frames must be {rule}, got {frames.shape[1]}; repeat or drop some")
        pixels = frames.movedim(-1, 1).to(self.vae.dtype) / 127.5 - 1
        if self.vae.config.patch_size is not None:
            pixels = patchify(pixels, self.vae.config.patch_size)
        features = self._features(cache, "encoder")
        groups = [*pixels[:, :, :lead].split(1, dim=2)] if lead else []
        groups += pixels[:, :, lead:].split(FRAMES_PER_LATENT, dim=2) if pixels.shape[2] > lead else []
        encoded = [self.vae.encoder(group, feat_cache=features, feat_idx=[0]) for group in groups]
        mean = self.vae.quant_conv(torch.cat(encoded, dim=2))[:, : self.latent_channels]
        mean = mean.to(torch.promote_types(mean.dtype, torch.float32))
        center, scale = self._statistics_like(mean)
        return (mean.transpose(1, 2) - center) / scale, self._kept(features, len(frames))

    @torch.no_grad()
    def decode_pixels(
        self, cache: FeatureCache, latents: Float[Tensor, "batch latents channel h w"]
    ) -> tuple[Float[Tensor, "batch frames 3 height width"], FeatureCache]:
        """The next pixels of a video, in [-1, 1], and the cache behind them; `cache` stays as it is."""
        center, scale = self._statistics_like(latents)
        features = self._features(cache, "decoder")
        hidden = self.vae.post_quant_conv((latents * scale + center).transpose(1, 2).to(self.vae.dtype))
        decoded = [
            self.vae.decoder(latent, feat_cache=features, feat_idx=[0], first_chunk=not cache and number == 0)
            for number, latent in enumerate(hidden.split(1, dim=2))
        ]
        pixels = torch.cat(decoded, dim=2)
        if self.vae.config.patch_size is not None:
            pixels = unpatchify(pixels, self.vae.config.patch_size)
        return pixels.clamp(-1, 1).transpose(1, 2), self._kept(features, len(latents))

    def decode(
        self, cache: FeatureCache, latents: Float[Tensor, "batch latents channel h w"]
    ) -> tuple[UInt8[Tensor, "batch frames height width 3"], FeatureCache]:
        """The next frames of a video: 1 + 4 n for n + 1 latents at the start, then 4 a latent."""
        pixels, cache = self.decode_pixels(cache, latents)
        return ((pixels.float() + 1) * 127.5).round().to(torch.uint8).movedim(2, -1), cache

    def _statistics_like(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        center, scale = self.get_buffer("_statistics").to(latents)
        return center, scale

    def _features(self, cache: FeatureCache, side: str) -> list[Tensor | str | None]:
        """Diffusers' own list: None before the first frame, "Rep" in an upsampler that has seen one latent."""
        features: list[Tensor | str | None] = [None] * self.vae._cached_conv_counts[side]
        for number, tensor in cache.items():
            features[int(number)] = tensor if tensor.ndim > 2 else "Rep"
        return features

    def _kept(self, features: list[Tensor | str | None], batch_size: int) -> FeatureCache:
        mark = torch.empty(batch_size, 0, device=self.vae.device)
        return {
            f"{number:02d}": mark if isinstance(feature, str) else feature
            for number, feature in enumerate(features)
            if feature is not None
        }
