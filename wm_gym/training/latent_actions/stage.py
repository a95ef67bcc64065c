"""The latent actions' stage: name the change between two observations by one of a few codes, without any action.

The decoder must predict the second observation from the first and the code (Genie, arXiv:2402.15391, section 2.1), and
cells that change weigh more, as in the world model's stage. Pairs in which no pixel changes teach nothing and are left
out. Nothing but observations is read from a batch: labels cannot leak in.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder
from wm_gym.data.mixture import Mixture, MixtureSampler
from wm_gym.training.latent_actions.checkpoint import write_latent_actions
from wm_gym.training.latent_actions.codebook import Quantised, entropy
from wm_gym.training.latent_actions.gate import NUM_PAIRS, Gate, measure_gate
from wm_gym.training.latent_actions.model import LatentActionModel
from wm_gym.training.latent_actions.pairs import is_visible, visible_pairs
from wm_gym.training.processes import ALONE, Processes


@dataclass(frozen=True, kw_only=True)
class LatentActionStageConfig:
    """What the latent actions' loss depends on.

    Attributes:
        batch_size: pairs of observations a batch, a multiple of the number of worlds.
        changed_weight: extra weight of a latent cell that the step changes, or that the model believes it changes.
        changed_threshold: root-mean-square difference from which a cell counts as changed.
        codebook_weight: weight of the distance between vectors and codes.
        entropy_weight: weight of what the choice of a code tells, in nats, which keeps them all in use.
        held_out: share of each dataset's episodes, the last ones, that the gate is measured on.

    Raises:
        ValueError: when a number is out of its range.
    """

    batch_size: int = 64
    changed_weight: float = 10.0
    changed_threshold: float = 0.1
    codebook_weight: float = 0.1
    entropy_weight: float = 0.1
    held_out: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out must be in (0, 1), got {self.held_out}")


class LatentActionStage:
    """Trains a `LatentActionModel` on the observations of recordings."""

    def __init__(
        self,
        model: LatentActionModel,
        autoencoder: PatchAutoencoder,
        sampler: MixtureSampler,
        held_out: Mixture,
        config: LatentActionStageConfig,
        processes: Processes = ALONE,
    ) -> None:
        """Trains `model` on the batches of `sampler`, whose shard is that of this process.

        Args:
            model: what to train; `start` readies fresh weights.
            autoencoder: the frozen one, whose latents it works on.
            sampler: of segments of one round.
            held_out: episodes that the gate is measured on.
            config: what the loss depends on.
            processes: those that train together.
        """
        self.module: nn.Module = model
        self.model = model
        self.autoencoder = autoencoder.requires_grad_(False)
        self.sampler = sampler
        self.held_out = held_out
        self.config = config
        self.processes = processes
        self.gate: Gate | None = None
        self._held_out_pairs: tuple[Tensor, Tensor] | None = None

    def start(self) -> None:
        """Ready fresh weights by the changes of the first batch; a resume overwrites them."""
        self.model.spread(*self._pairs_of(0))

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Weighted squared error of the predicted latents, and what keeps the codebook whole."""
        before, after = self._pairs_of(iteration)
        quantised = self.model.quantise(self.model.encode(before, after))
        predicted = self.model.decode(before, quantised.embeddings)
        error, metrics = self._error(before[:, -1:], after, predicted)
        codebook, codebook_metrics = self._codebook_loss(quantised)
        return error + codebook, metrics | codebook_metrics

    @torch.no_grad()
    def _pairs_of(self, iteration: int) -> tuple[Tensor, Tensor]:
        """The latents before and after the visible steps of a batch; of all steps where none is visible."""
        observations = self.sampler.sample(iteration).observations
        visible = is_visible(observations[:, 0], observations[:, 1])
        if visible.any():
            observations = observations[visible]
        device = next(self.autoencoder.parameters()).device
        latents = self.autoencoder.encode(torch.from_numpy(observations).to(device))
        return latents[:, 0], latents[:, 1]

    def _error(
        self,
        last: Float[Tensor, "batch 1 channel h w"],
        after: Float[Tensor, "batch frames channel h w"],
        predicted: Float[Tensor, "batch frames channel h w"],
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The prediction's error, weighted to what changes."""
        error = (predicted - after).pow(2).mean(dim=2)
        differences = [(each - last).pow(2).mean(dim=2).sqrt() for each in (after, predicted.detach())]
        changed = (torch.maximum(*differences) > self.config.changed_threshold).float()
        weight = 1 + self.config.changed_weight * changed
        loss = self._mean(error, weight)
        return loss, {"error": loss.detach(), "changed": self._mean(error.detach(), changed)}

    def _codebook_loss(self, quantised: Quantised) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The distance to the codes, less what the choices tell, over the batches of all processes."""
        each = torch.ones_like(quantised.errors)
        distance = self._mean(quantised.errors, each)
        counts = self.processes.sum(quantised.choices.sum(dim=0))
        told = entropy(counts / counts.sum()) - self._mean(entropy(quantised.choices), each)
        loss = self.config.codebook_weight * distance - self.config.entropy_weight * told
        hard = self.processes.sum(torch.bincount(quantised.codes, minlength=len(counts)).float())
        perplexity = entropy(hard / hard.sum()).exp()
        return loss, {"code_distance": distance.detach(), "perplexity": perplexity}

    def measure(self) -> Gate:
        """Measure the gate with the weights as they are; held-out episodes are read once."""
        if self._held_out_pairs is None:
            self._held_out_pairs = visible_pairs(self.autoencoder, self.held_out, NUM_PAIRS)
        return measure_gate(self.model, *self._held_out_pairs)

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write the model, the autoencoder that it works on, and its gate."""
        assert module is self.module, "the loop exports the module that it trains"
        self.gate = self.measure()
        frame_size = self.sampler.mixture.frame_size
        write_latent_actions(folder, self.model, self.autoencoder, self.gate, frame_size)

    def describe(self) -> dict[str, object]:
        """What a resume must keep."""
        return {**asdict(self.config), "shape": asdict(self.model.config)}

    def _mean(self, value: Tensor, weight: Tensor) -> Float[Tensor, ""]:
        """The weighted mean over the batches of all processes."""
        return self.processes.sum((value * weight).sum()) / self.processes.sum(weight.sum()).clamp(min=1e-6)
