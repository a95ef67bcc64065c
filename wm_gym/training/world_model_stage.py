"""The world model's stage: flow matching through the latent state (PAN's L_GLP), with reward and termination.

The gradient of the decoder's loss reaches encoder, action encoder and transition; the autoencoder stays frozen. In
`rollout_fraction` of the iterations the history is the model's own: it dreams the segment first, then learns from the
states that it reached, as long as they still show the truth (a state that left the truth has no true successor).
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from wm_gym.data.segments import SegmentBatch, SegmentSampler
from wm_gym.decoder.sampling import sample_chunk
from wm_gym.decoder.sigmas import sampling_sigmas, shift_sigma
from wm_gym.transition.tokenizer import tokenize
from wm_gym.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class WorldModelStageConfig:
    """What the world model's loss depends on.

    Attributes:
        batch_size: segments a batch.
        num_rounds: rounds a segment, at most the transition's history_rounds + 1.
        event_fraction: share of segments drawn to end with a reward or a termination.
        history_noise: largest standard deviation of the noise on the latents given as history.
        changed_weight: extra weight of a latent cell that the step changes, or that the model believes it changes.
        changed_threshold: root-mean-square difference from which a cell counts as changed.
        head_weight: weight of the reward's and the termination's cross-entropy.
        rollout_fraction: share of the iterations whose history is the model's own.
        rollout_tolerance: root-mean-square difference of a latent cell up to which a dreamt state counts as true.
    """

    batch_size: int = 16
    num_rounds: int = 4
    event_fraction: float = 0.1
    history_noise: float = 0.3
    changed_weight: float = 10.0
    changed_threshold: float = 0.1
    head_weight: float = 0.05
    rollout_fraction: float = 0.0
    rollout_tolerance: float = 0.2


class WorldModelStage:
    """Trains everything of a `WorldModel` but its autoencoder."""

    def __init__(self, model: WorldModel, sampler: SegmentSampler, config: WorldModelStageConfig) -> None:
        self.model = model
        self.module: nn.Module = model
        self.sampler = sampler
        self.config = config
        model.autoencoder.requires_grad_(False)
        self._ids, self._real = tokenize(model.tokenizer, sampler.dataset.action_texts)

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Weighted flow-matching loss and cross-entropy of the heads over one batch of segments."""
        batch = self.sampler.sample(iteration)
        with torch.no_grad():
            latents = self.model.autoencoder.encode(torch.from_numpy(batch.observations))
        mask = torch.from_numpy(batch.mask)
        actions = self.model.action_encoder(self._ids, self._real)[torch.from_numpy(batch.actions)]
        history = latents[:, :-1]
        if torch.rand((), generator=generator) < self.config.rollout_fraction:
            history = self._dream(latents, actions.detach(), generator)
            mask = mask & self._still_true(history, latents[:, :-1])
        level = self.config.history_noise * torch.rand(len(history), 1, 1, 1, 1, 1, generator=generator)
        history = history + level * torch.randn(history.shape, generator=generator)
        tokens = self.model.encoder(history.flatten(0, 1)).unflatten(0, mask.shape)
        latent_state = self.model.transition(tokens, actions)
        flow, metrics = self._flow_loss(latents, history, latent_state, mask, generator)
        heads, head_metrics = self._head_loss(batch, latents[:, 1:], latent_state, mask)
        return flow + self.config.head_weight * heads, metrics | head_metrics

    def _flow_loss(
        self,
        latents: Float[Tensor, "batch time frames channel h w"],
        history: Float[Tensor, "batch time-1 frames channel h w"],
        latent_state: Float[Tensor, "batch time-1 states width"],
        mask: Bool[Tensor, "batch time-1"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        decoder, target, last = self.model.decoder, latents[:, 1:], history[:, :, -1]
        sigmas = shift_sigma(torch.rand(mask.shape, generator=generator), decoder.config.shift)
        noise = torch.randn(target.shape, generator=generator)
        scale = sigmas[..., None, None, None, None]
        noisy = (1 - scale) * target + scale * noise
        output = decoder(noisy, last, sigmas, latent_state)
        clean = decoder.clean(output, noisy, last, sigmas)
        if decoder.config.prediction_target == "velocity":
            error = (output - (noise - target)).pow(2).mean(dim=3)
        else:
            error = (clean - target).pow(2).mean(dim=3)
        changed = self._changed(target, clean.detach(), before=latents[:, :-1, -1:])
        weight = (1 + self.config.changed_weight * changed) * mask[:, :, None, None, None]
        metrics = {"flow": (error * weight).sum() / weight.sum(), "changed": _mean(error, changed * weight)}
        return metrics["flow"], {name: value.detach() for name, value in metrics.items()}

    def _changed(
        self,
        target: Float[Tensor, "batch rounds frames channel h w"],
        predicted: Float[Tensor, "batch rounds frames channel h w"],
        before: Float[Tensor, "batch rounds 1 channel h w"],
    ) -> Float[Tensor, "batch rounds frames h w"]:
        """1 where the step changes a cell, or the model believes so: a blocked move must weigh as much as a move."""
        differences = [(after - before).pow(2).mean(dim=3).sqrt() for after in (target, predicted)]
        return (torch.maximum(*differences) > self.config.changed_threshold).float()

    def _head_loss(
        self,
        batch: SegmentBatch,
        reached: Float[Tensor, "batch rounds frames channel h w"],
        latent_state: Float[Tensor, "batch rounds states width"],
        mask: Bool[Tensor, "batch rounds"],
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        heads = self.model.heads
        tokens = self.model.encoder(reached.flatten(0, 1))
        reward_logits, termination_logits = heads(latent_state.flatten(0, 1), tokens)
        rewards = heads.reward_class(torch.from_numpy(batch.rewards).flatten())
        terminated = torch.from_numpy(batch.terminated).flatten().float()
        rows = mask.flatten()
        reward = cross_entropy(reward_logits[rows], rewards[rows])
        termination = binary_cross_entropy_with_logits(termination_logits[rows], terminated[rows])
        return reward + termination, {"reward": reward.detach(), "termination": termination.detach()}

    @torch.no_grad()
    def _dream(
        self,
        latents: Float[Tensor, "batch time frames channel h w"],
        actions: Float[Tensor, "batch time-1 tokens width"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch time-1 frames channel h w"]:
        """The history as the model itself continues it from the first observation, re-encoded at every step."""
        model, sigmas = self.model, sampling_sigmas(1, self.model.decoder.config.shift)
        reached = [latents[:, 0]]
        transition = model.transition.empty_cache(len(latents))
        decoder = model.decoder.empty_cache(len(latents))
        for number in range(actions.shape[1] - 1):
            state, transition = model.transition.step(transition, model.encoder(reached[-1]), actions[:, number])
            noise = torch.randn(reached[-1].shape, generator=generator)
            drawn, decoder = sample_chunk(model.decoder, decoder, reached[-1][:, -1], state, noise, sigmas)
            reached.append(model.autoencoder.encode(model.autoencoder.decode(drawn)))
        return torch.stack(reached, dim=1)

    def _still_true(
        self,
        dreamt: Float[Tensor, "batch rounds frames channel h w"],
        true: Float[Tensor, "batch rounds frames channel h w"],
    ) -> Bool[Tensor, "batch rounds"]:
        worst = (dreamt - true).pow(2).mean(dim=3).sqrt().amax(dim=(2, 3, 4))
        return (worst < self.config.rollout_tolerance).cumprod(dim=1).bool()

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write a checkpoint that `WorldModel.from_pretrained` loads."""
        assert module is self.module, "the loop exports the module that it trains"
        self.model.save_pretrained(folder)

    def describe(self) -> dict[str, object]:
        """What a resume must keep."""
        return {**asdict(self.config), "decoder": asdict(self.model.decoder.config)}


def _mean(value: Tensor, weight: Tensor) -> Tensor:
    return (value * weight).sum() / weight.sum().clamp(min=1e-6)
