"""The autoencoder's stage: reconstruct frames from latents under noise, with equal say for rare patches.

Plain pixel error is ruled by background, and small things vanish while PSNR looks fine. Here half of the loss counts
every distinct patch of the batch once, however often it occurs. Of several worlds the root of each one's loss is
averaged, so that the textures of one do not drown the small things of another.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.mixture import MixtureSampler
from wm_gym.training.processes import ALONE, Processes


@dataclass(frozen=True, kw_only=True)
class AutoencoderStageConfig:
    """What the autoencoder's loss depends on.

    Attributes:
        batch_size: pairs of frames a batch, a multiple of the number of worlds.
        latent_noise: largest standard deviation of the noise on the latents; each frame draws its own up to it. It
            keeps the codes of different patches apart, so that decoding tolerates errors of that size.
        rare_share: share of the loss that counts distinct patches, the rest counts pixels.
        anchor_weight: in fine-tuning, weight of the squared distance of replayed worlds' latents from what they were,
            which is what the rest of the model reads and draws; 0 lets them go, as trainings before there was an anchor
            did. It does nothing where no world is replayed.

    Raises:
        ValueError: `anchor_weight` is out of its range.
    """

    batch_size: int = 32
    latent_noise: float = 0.3
    rare_share: float = 0.75
    anchor_weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.anchor_weight < math.inf:
            raise ValueError(f"anchor_weight must be at least 0 and finite, got {self.anchor_weight}")


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """What latents shall stay.

    Attributes:
        autoencoder: whose latents, frozen.
        worlds: of which worlds of the mixture.
    """

    autoencoder: PatchAutoencoder
    worlds: tuple[str, ...]

    @classmethod
    def of(cls, autoencoder: PatchAutoencoder, worlds: tuple[str, ...]) -> "Anchor":
        """The latents as they are now."""
        return cls(autoencoder=copy.deepcopy(autoencoder).eval().requires_grad_(False), worlds=worlds)


def patch_weights(
    frames: UInt8[Tensor, "n height width 3"], patch_size: int, processes: Processes = ALONE
) -> Float[Tensor, "n rows columns"]:
    """Weights with mean 1 that give every distinct patch of the batch, of all processes, the same total."""
    patches = frames.unfold(1, patch_size, patch_size).unfold(2, patch_size, patch_size).flatten(3).long()
    key = torch.arange(1, patches.shape[-1] + 1, dtype=torch.int64, device=frames.device)
    code = (patches * (key * 0x9E3779B97F4A7C1).bitwise_and(0xFFFFFFFF)).sum(dim=-1)  # equal patches, equal code
    codes = processes.gather(code)
    _, inverse, counts = codes.unique(return_inverse=True, return_counts=True)
    weights: Tensor = codes.numel() / (len(counts) * counts.float())
    return weights[inverse.chunk(processes.count)[processes.rank]]


class AutoencoderStage:
    """Trains a `PatchAutoencoder` on the frames of a dataset."""

    def __init__(
        self,
        autoencoder: PatchAutoencoder,
        sampler: MixtureSampler,
        config: AutoencoderStageConfig,
        processes: Processes = ALONE,
        anchor: Anchor | None = None,
    ) -> None:
        """Trains `autoencoder` on the frames of `sampler`, whose shard is that of this process, near an anchor."""
        self._anchor = anchor if anchor and anchor.worlds and config.anchor_weight else None
        self.processes = processes
        self.module: nn.Module = autoencoder
        self.autoencoder = autoencoder
        self.sampler = sampler
        self.config = config

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Weighted squared error of the reconstruction from noisy latents."""
        device = next(self.autoencoder.parameters()).device
        frames = torch.from_numpy(self.sampler.sample(iteration).observations).flatten(0, 2).to(device)
        latents = self.autoencoder.encode(frames)
        scale = self.config.latent_noise * self._random(torch.rand, (len(frames), 1, 1, 1), generator)
        noise = scale * self._random(torch.randn, latents.shape, generator)
        pixels = self.autoencoder.decode_pixels(latents + noise.to(device))
        target = frames.movedim(-1, 1).float() / 127.5 - 1
        error = nn.functional.avg_pool2d((pixels - target).pow(2).mean(dim=1), self.autoencoder.patch_size)
        worlds = self.sampler.mixture.worlds
        errors = error.chunk(len(worlds))
        patch_size, processes = self.autoencoder.patch_size, self.processes
        weights = [patch_weights(each, patch_size, processes) for each in frames.chunk(len(worlds))]
        rare = torch.stack([(weight * each).mean() for weight, each in zip(weights, errors, strict=True)])
        plain = torch.stack([each.mean() for each in errors])
        rare, plain = processes.sum(rare) / processes.count, processes.sum(plain) / processes.count
        losses = self.config.rare_share * rare + (1 - self.config.rare_share) * plain
        losses = losses + self.config.anchor_weight * self._strayed(frames, latents)
        metrics = {"psnr": 10 * torch.log10(4 / plain.detach().mean()), "rare_patches": rare.detach().mean()}
        if len(worlds) == 1:
            return losses[0], metrics
        metrics |= {
            f"psnr/{world}": 10 * torch.log10(4 / each.detach()) for world, each in zip(worlds, plain, strict=True)
        }
        return (losses + 1e-6).sqrt().mean(), metrics

    def _strayed(
        self, frames: UInt8[Tensor, "n height width 3"], latents: Float[Tensor, "n channel rows columns"]
    ) -> Float[Tensor, " worlds"]:
        """How far each world's latents are from the anchor's, squared; 0 where they are free."""
        worlds = self.sampler.mixture.worlds
        distances = torch.zeros(len(worlds), device=latents.device)
        if self._anchor is None:
            return distances
        shares = zip(worlds, frames.chunk(len(worlds)), latents.chunk(len(worlds)), strict=True)
        for index, (world, shown, found) in enumerate(shares):
            if world in self._anchor.worlds:
                distances[index] = (found - self._anchor.autoencoder.encode(shown)).square().mean()
        return self.processes.sum(distances) / self.processes.count

    def _random(self, draw: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random numbers for the frames of the whole batch, of which those of this process are kept."""
        num_rows, whole = len(self.sampler.rows), self.sampler.batch_size
        numbers = draw((shape[0] // num_rows * whole, *shape[1:]), generator=generator)
        rows: Tensor = numbers.unflatten(0, (whole, -1))[torch.from_numpy(self.sampler.rows)]
        return rows.flatten(0, 1)

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write the autoencoder in diffusers' layout into `folder/autoencoder`."""
        assert module is self.module, "the loop exports the module that it trains"
        self.autoencoder.save_pretrained(folder / "autoencoder", safe_serialization=True)

    def describe(self) -> dict[str, object]:
        """What a resume must keep."""
        config = asdict(self.config)
        if self._anchor is None:
            del config["anchor_weight"]
        return {**config, "shape": {k: v for k, v in self.autoencoder.config.items() if k[0] != "_"}}
