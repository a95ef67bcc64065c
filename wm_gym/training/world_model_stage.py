"""The world model's stage: flow matching through the latent state (PAN's L_GLP), with reward and termination.

The gradient of the decoder's loss reaches encoder, action encoder and transition; the autoencoder stays frozen. Of
several worlds the root of each one's loss is averaged: one whose errors are a hundredth as large still has a tenth of
the say. In
`rollout_fraction` of the iterations the history is the model's own: it dreams the segment first, then learns from the
states that it reached, as long as they still show the truth (a state that left the truth has no true successor).
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from wm_gym.data.mixture import MixtureSampler
from wm_gym.data.segments import SegmentBatch
from wm_gym.decoder.sampling import sample_chunk
from wm_gym.decoder.sigmas import sampling_sigmas, shift_sigma
from wm_gym.training.processes import ALONE, Processes
from wm_gym.transition.language_action_encoder import LanguageActionEncoder
from wm_gym.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class WorldModelStageConfig:
    """What the world model's loss depends on.

    Attributes:
        batch_size: segments a batch, a multiple of the number of worlds.
        num_rounds: rounds a segment, at most the transition's history_rounds + 1.
        event_fraction: share of segments drawn to end with a reward or a termination.
        still_fraction: share of segments that begin at a still picture, as a world that starts from an image does.
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
    still_fraction: float = 0.1
    history_noise: float = 0.3
    changed_weight: float = 10.0
    changed_threshold: float = 0.1
    head_weight: float = 0.05
    rollout_fraction: float = 0.0
    rollout_tolerance: float = 0.2


class WorldModelStage:
    """Trains everything of a `WorldModel` but its autoencoder."""

    def __init__(
        self,
        model: WorldModel,
        sampler: MixtureSampler,
        config: WorldModelStageConfig,
        processes: Processes = ALONE,
    ) -> None:
        """Trains `model` on the batches of `sampler`, whose shard is that of this process."""
        self.model = model
        self.processes = processes
        self.module: nn.Module = model
        self.sampler = sampler
        self.config = config
        model.autoencoder.requires_grad_(False)
        texts, real = model.reader.read(sampler.mixture.action_texts)
        self._texts, self._real = texts.to(model.device), real.to(model.device)

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Weighted flow-matching loss and cross-entropy of the heads over one batch of segments."""
        batch = self.sampler.sample(iteration)
        device = self.model.device
        with torch.no_grad():
            latents = self.model.autoencoder.encode(torch.from_numpy(batch.observations).to(device))
        mask = torch.from_numpy(batch.mask).to(device)
        actions = self._action_tokens(batch)
        lead = latents.shape[1] - mask.shape[1] - 1
        history = latents[:, :-1]
        if torch.rand((), generator=generator) < self.config.rollout_fraction:
            dreamt = self._dream(latents[:, : lead + 1], actions.detach(), generator)
            mask = mask & self._still_true(dreamt[:, lead:], history[:, lead:])
            history = dreamt
        level = self.config.history_noise * self._random(torch.rand, (len(history), 1, 1, 1, 1, 1), generator)
        history = history + level * self._random(torch.randn, history.shape, generator)
        tokens = self.model.encoder(history[:, lead:].flatten(0, 1)).unflatten(0, mask.shape)
        latent_state = self.model.transition(tokens, actions)
        flow, metrics = self._flow_loss(latents[:, lead:], history, latent_state, mask, generator)
        heads, head_metrics = self._head_loss(batch, latents[:, lead + 1 :], latent_state, mask)
        return flow + self.config.head_weight * heads, metrics | head_metrics

    def _random(
        self, draw: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator
    ) -> Float[Tensor, "*shape"]:
        """Random numbers drawn on the CPU for the whole batch, the same on every device and number of processes."""
        whole = draw((self.sampler.batch_size, *shape[1:]), generator=generator)
        return whole[torch.from_numpy(self.sampler.rows)].to(self.model.device)

    def _action_tokens(self, batch: SegmentBatch) -> Float[Tensor, "batch rounds tokens width"]:
        """Tokens of all actions; each text of the batch is encoded once."""
        encoder, device = self.model.action_encoder, self.model.device
        rows, places = torch.from_numpy(batch.actions).to(device).unique(return_inverse=True)
        tokens: Tensor = encoder(self._texts[rows], self._real[rows])[places]
        controls = torch.from_numpy(batch.controls).to(device)
        numeric = controls.isfinite().any(dim=-1)
        if isinstance(encoder, LanguageActionEncoder) and numeric.any():
            tokens = tokens.masked_scatter(numeric[..., None, None], encoder.encode_controls(controls[numeric]))
        return tokens

    def _flow_loss(
        self,
        latents: Float[Tensor, "batch time frames channel h w"],
        history: Float[Tensor, "batch lead_time frames channel h w"],
        latent_state: Float[Tensor, "batch time-1 states width"],
        mask: Bool[Tensor, "batch time-1"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        decoder, target = self.model.decoder, latents[:, 1:]
        past = self._past(history, mask.shape[1])
        sigmas = shift_sigma(self._random(torch.rand, mask.shape, generator), decoder.config.shift)
        noise = self._random(torch.randn, target.shape, generator)
        scale = sigmas[..., None, None, None, None]
        noisy = (1 - scale) * target + scale * noise
        output = decoder(noisy, past, sigmas, latent_state)
        clean = decoder.clean(output, noisy, past, sigmas)
        if decoder.config.prediction_target == "velocity":
            error = (output - (noise - target)).pow(2).mean(dim=3)
        else:
            error = (clean - target).pow(2).mean(dim=3)
        changed = self._changed(target, clean.detach(), before=latents[:, :-1, -1:])
        weight = (1 + self.config.changed_weight * changed) * mask[:, :, None, None, None]
        return self._over_worlds(error, weight, changed)

    def _past(
        self, history: Float[Tensor, "batch lead_time frames channel h w"], num_rounds: int
    ) -> Float[Tensor, "batch rounds past channel h w"]:
        """The latent frames that the decoder sees before each round, the newest last."""
        frames, chunk_frames = history.flatten(1, 2), history.shape[2]
        num_past = self.model.decoder.config.past_frames
        ends = torch.arange(num_rounds, device=history.device) * chunk_frames
        ends = ends + (history.shape[1] - num_rounds + 1) * chunk_frames
        places = ends[:, None] + torch.arange(-num_past, 0, device=history.device)
        return frames[:, places.clamp(min=0)]

    def _over_worlds(
        self,
        error: Float[Tensor, "batch rounds frames h w"],
        weight: Float[Tensor, "batch rounds frames h w"],
        changed: Float[Tensor, "batch rounds frames h w"],
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """The loss over all worlds, and each one's own; of one world alone it is the plain weighted mean."""
        worlds = self.sampler.mixture.worlds
        errors, weights, changes = (value.chunk(len(worlds)) for value in (error, weight, changed))
        losses = torch.stack([self._mean(each, by) for each, by in zip(errors, weights, strict=True)])
        metrics = {"flow": losses.mean(), "changed": self._mean(error, changed * weight)}
        if len(worlds) == 1:
            return losses[0], {name: value.detach() for name, value in metrics.items()}
        for world, each, by, change in zip(worlds, errors, weights, changes, strict=True):
            metrics[f"changed/{world}"] = self._mean(each, change * by)
        return (losses + 1e-6).sqrt().mean(), {name: value.detach() for name, value in metrics.items()}

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
        device = self.model.device
        rewards = heads.reward_class(torch.from_numpy(batch.rewards).to(device).flatten())
        terminated = torch.from_numpy(batch.terminated).to(device).flatten().float()
        rows = mask.flatten()
        share = rows.sum() / self.processes.sum(rows.sum())
        reward = self.processes.sum(share * cross_entropy(reward_logits[rows], rewards[rows]))
        termination = binary_cross_entropy_with_logits(termination_logits[rows], terminated[rows])
        termination = self.processes.sum(share * termination)
        return reward + termination, {"reward": reward.detach(), "termination": termination.detach()}

    @torch.no_grad()
    def _dream(
        self,
        begin: Float[Tensor, "batch lead frames channel h w"],
        actions: Float[Tensor, "batch rounds tokens width"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch lead_time frames channel h w"]:
        """The history as the model itself continues it from the first observations, re-encoded at every step."""
        model, sigmas = self.model, sampling_sigmas(1, self.model.decoder.config.shift)
        reached = begin
        transition = model.transition.empty_cache(len(begin))
        decoder = model.decoder.empty_cache(len(begin))
        for number in range(actions.shape[1] - 1):
            tokens = model.encoder(reached[:, -1])
            state, transition = model.transition.step(transition, tokens, actions[:, number])
            noise = self._random(torch.randn, reached[:, -1].shape, generator)
            past = self._past(reached, 1)[:, 0]
            drawn, decoder = sample_chunk(model.decoder, decoder, past, state, noise, sigmas)
            chunk = model.autoencoder.encode(model.autoencoder.decode(drawn))
            reached = torch.cat([reached, chunk[:, None]], dim=1)
        return reached

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

    def _mean(self, value: Tensor, weight: Tensor) -> Float[Tensor, ""]:
        """The weighted mean over the batches of all processes."""
        return self.processes.sum((value * weight).sum()) / self.processes.sum(weight.sum()).clamp(min=1e-6)
