"""The world model's stage: flow matching through the latent state (PAN's L_GLP), with reward and termination.

The gradient of the decoder's loss reaches encoder, action encoder and transition; the autoencoder stays frozen. Of
several worlds the root of each one's loss is averaged: one whose errors are a hundredth as large still has a tenth of
the say. In
`rollout_fraction` of the iterations the history is the model's own: it dreams the segment first, then learns from the
states that it reached, as long as they still show the truth (a state that left the truth has no true successor).
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from wm_gym.data.mixture import MixtureSampler
from wm_gym.data.segments import SegmentBatch
from wm_gym.decoder.training_pass import denoise_segment, denoise_windows
from wm_gym.training.earlier_rounds import EarlierRoundsSampler
from wm_gym.training.processes import ALONE, Processes
from wm_gym.training.recycled_history import recycled_history
from wm_gym.training.trained_sampling import train_for
from wm_gym.training.world_model_stage_config import TrainedPart, WorldModelStageConfig
from wm_gym.transition.language_action_encoder import LanguageActionEncoder
from wm_gym.transition.memory_bank import MemoryBank, noised, picture_keys, write_round
from wm_gym.world_model import WorldModel


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
        if config.sampling is not None:
            train_for(model, config.sampling, config.swin)
        model.autoencoder.requires_grad_(False)
        for name in get_args(TrainedPart):
            if config.trained_parts is not None and name not in config.trained_parts:
                model.get_submodule(name).requires_grad_(False)
        self._action_texts = self._read(sampler.mixture.action_texts)
        self._event_texts = self._read(sampler.mixture.event_texts)
        memory = model.transition.memory
        self._earlier = None if memory is None else EarlierRoundsSampler(sampler, model.autoencoder, memory.slots)

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """Weighted flow-matching loss and cross-entropy of the heads over one batch of segments."""
        batch = self.sampler.sample(iteration)
        device = self.model.device
        with torch.no_grad():
            latents = self.model.autoencoder.encode(torch.from_numpy(batch.observations).to(device))
        mask = torch.from_numpy(batch.mask).to(device)
        said = self._kept(mask.shape, self.config.action_dropout, generator)
        written = said * self._action_tokens(batch.actions, batch.controls)
        events = self._event_tokens(batch.world_events)
        acted = written + said * events
        known_events, mask = self._known_events(batch.world_events, events, mask)
        actions = written + said * known_events
        bank = self._bank(iteration)
        lead = latents.shape[1] - mask.shape[1] - 1
        history = latents[:, :-1]
        if torch.rand((), generator=generator) < self.config.rollout_fraction:
            dreamt = self._dream(latents[:, : lead + 1], acted.detach(), generator, bank, written.detach())
            mask = mask & self._still_true(dreamt[:, lead:], history[:, lead:])
            history = dreamt
        if fraction := self.config.recycled_fraction:
            draw, past = partial(self._random, generator=generator), self._past(history, mask.shape[1])
            history = recycled_history(self.model, history, past, acted.detach(), fraction, draw)
        seen = history[:, lead:]
        levels = (*history.shape[:2], 1, 1, 1, 1) if self.config.diffusion_forcing else (len(history), 1, 1, 1, 1, 1)
        level = self.config.history_noise * self._random(torch.rand, levels, generator)
        history = history + level * self._random(torch.randn, history.shape, generator)
        tokens = self.model.encoder(history[:, lead:].flatten(0, 1)).unflatten(0, mask.shape)
        latent_state = self.model.transition(tokens, actions)
        pictures = None if bank is None else self._remembered(seen, actions, bank, generator, written)
        past = self._past(history, mask.shape[1], pictures)
        known = latent_state * self._kept(mask.shape, self.config.state_dropout, generator)
        flow, metrics = self._flow_loss(latents[:, lead:], past, known, mask, generator)
        heads, head_metrics = self._head_loss(batch, latents[:, lead + 1 :], latent_state, mask)
        loss = flow + self.config.head_weight * heads
        if pictures is not None:
            metrics["recall"] = self._recall_loss(pictures, latents[:, lead + 1 :], mask)
            loss = loss + self.config.recall_weight * metrics["recall"]
        return loss, {name: value.detach() for name, value in (metrics | head_metrics).items()}

    def _random(
        self, draw: Callable[..., Tensor], shape: tuple[int, ...], generator: torch.Generator
    ) -> Float[Tensor, "*shape"]:
        """Random numbers drawn on the CPU for the whole batch, the same on every device and number of processes."""
        whole = draw((self.sampler.batch_size, *shape[1:]), generator=generator)
        return whole[torch.from_numpy(self.sampler.rows)].to(self.model.device)

    def _action_tokens(
        self, indices: Int64[np.ndarray, "batch rounds"], numbers: Float32[np.ndarray, "batch rounds numbers"]
    ) -> Float[Tensor, "batch rounds tokens width"]:
        """Tokens of all actions; each text of the batch is encoded once."""
        encoder, device = self.model.action_encoder, self.model.device
        tokens = self._text_tokens(self._action_texts, indices)
        controls = torch.from_numpy(numbers).to(device)
        numeric = controls.isfinite().any(dim=-1)
        if isinstance(encoder, LanguageActionEncoder) and numeric.any():
            tokens = tokens.masked_scatter(numeric[..., None, None], encoder.encode_controls(controls[numeric]))
        return tokens

    def _known_events(
        self,
        indices: Int64[np.ndarray, "batch rounds"],
        shift: Float[Tensor, "batch rounds tokens width"] | Float[Tensor, ""],
        mask: Bool[Tensor, "batch rounds"],
    ) -> tuple[Float[Tensor, "batch rounds tokens width"] | Float[Tensor, ""], Bool[Tensor, "batch rounds"]]:
        """What the history's rounds know of events, given what each adds to its own round; and the rounds that count.

        With a memory a step reads its history as if the event had been known in every round of it. So of each segment
        only the rounds from the last event on count, and those before have known of that event alone.
        """
        if self._earlier is None or not indices.any():
            return shift, mask
        happened, rounds = indices != 0, np.arange(indices.shape[1])
        last = torch.from_numpy(np.where(happened, rounds, -1).max(axis=1)).to(mask.device)
        places = torch.from_numpy(rounds).to(mask.device)
        told = shift[torch.arange(len(shift), device=mask.device), last.clamp(min=0)]
        known = (places <= last[:, None])[:, :, None, None]
        return known * told[:, None], mask & (places >= last[:, None])

    def _event_tokens(
        self, indices: Int64[np.ndarray, "batch rounds"]
    ) -> Float[Tensor, "batch rounds tokens width"] | Float[Tensor, ""]:
        """What each event adds to action tokens, as in `WorldModel.step`."""
        if not indices.any():
            return torch.zeros((), device=self.model.device)
        tokens = self._text_tokens(self._event_texts, np.pad(indices, ((0, 0), (1, 0))))
        return tokens[:, 1:] - tokens[:1, :1]  # of "": encoded once, so that nothing adds nothing under dropout too

    def _text_tokens(
        self, texts: tuple[Tensor, Bool[Tensor, "texts length"]], indices: Int64[np.ndarray, "batch rounds"]
    ) -> Float[Tensor, "batch rounds tokens width"]:
        """Tokens of texts by index; each text is encoded once."""
        read, real = texts
        rows, places = torch.from_numpy(indices).to(self.model.device).unique(return_inverse=True)
        tokens: Tensor = self.model.action_encoder(read[rows], real[rows])
        return tokens[places]

    def _read(self, texts: Sequence[str]) -> tuple[Tensor, Bool[Tensor, "texts length"]]:
        read, real = self.model.reader.read(texts)
        return read.to(self.model.device), real.to(self.model.device)

    def _kept(
        self, shape: tuple[int, ...], share: float, generator: torch.Generator
    ) -> Bool[Tensor, "batch rounds 1 1"] | float:
        """What to multiply the tokens of each round by, so that those of a random share of the rounds are zero."""
        return (self._random(torch.rand, shape, generator) >= share)[..., None, None] if share else 1.0

    @torch.no_grad()
    def _bank(self, iteration: int) -> MemoryBank | None:
        """The memory at the start of each segment; None where the model has none."""
        if self._earlier is None:
            return None
        earlier = self._earlier.before(iteration)
        return MemoryBank(
            latents=earlier.latents,
            actions=self._action_tokens(earlier.actions, earlier.controls),
            keys=picture_keys(earlier.latents),
            rounds=earlier.rounds,
        )

    def _remembered(
        self,
        seen: Float[Tensor, "batch rounds frames channel h w"],
        actions: Float[Tensor, "batch rounds tokens width"],
        bank: MemoryBank,
        generator: torch.Generator,
        written: Float[Tensor, "batch rounds tokens width"],
    ) -> Float[Tensor, "batch rounds frames channel h w"]:
        """What memory shows, round after round as the model's own step does it; `written` leaves events out."""
        transition, pictures = self.model.transition, []
        for number in range(seen.shape[1]):
            recalled = transition.recall(bank, seen[:, number])
            shape = tuple(recalled.latents.shape)
            level = self.config.history_noise * self._random(torch.rand, (shape[0], 1, 1, 1, 1, 1), generator)
            recalled = noised(recalled, level * self._random(torch.randn, shape, generator))
            pictures.append(transition.remember(actions[:, number], recalled))
            bank = write_round(bank, seen[:, number], written[:, number].detach())
        return torch.stack(pictures, dim=1)

    def _flow_loss(
        self,
        latents: Float[Tensor, "batch time frames channel h w"],
        past: Float[Tensor, "batch time-1 past channel h w"],
        latent_state: Float[Tensor, "batch time-1 states width"],
        mask: Bool[Tensor, "batch time-1"],
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        decoder, swin, target = self.model.decoder, self.model.decoder.config.swin, latents[:, 1:]
        draw = partial(self._random, generator=generator)
        if swin is None:
            denoised = denoise_segment(decoder, target, past, latent_state, draw)
        else:
            independent = self.config.diffusion_forcing
            stride, rounds = self.config.window_stride, mask.shape[1]
            begin = int(torch.randint(min(stride, rounds), (), generator=generator))
            windows = torch.arange(begin, rounds, stride, device=target.device)
            denoised = denoise_windows(decoder, swin, target, past, latent_state, windows, draw, independent)
        before, after = latents[:, :-1, -1:][:, denoised.rounds], target[:, denoised.rounds]
        changed = self._changed(after, denoised.clean.detach(), before=before)
        counts = mask[:, denoised.rounds] & denoised.counts
        weight = (1 + self.config.changed_weight * changed) * counts[:, :, None, None, None]
        return self._over_worlds(denoised.error, weight, changed)

    def _recall_loss(
        self,
        pictures: Float[Tensor, "batch rounds frames channel h w"],
        reached: Float[Tensor, "batch rounds frames channel h w"],
        mask: Bool[Tensor, "batch rounds"],
    ) -> Float[Tensor, ""]:
        """How far what memory shows is from what came, as a share of the latents' own size: 1 where it shows nothing.

        The decoder learns to trust the picture only once it is right, and its loss alone takes long to make it so.
        """
        counts = mask[:, :, None, None, None, None].expand_as(reached)
        return self._mean((pictures - reached).pow(2), counts) / self._mean(reached.pow(2), counts).clamp(min=1e-6)

    def _past(
        self,
        history: Float[Tensor, "batch lead_time frames channel h w"],
        num_rounds: int,
        pictures: Float[Tensor, "batch rounds recalled channel h w"] | None = None,
    ) -> Float[Tensor, "batch rounds past channel h w"]:
        """What the decoder sees of each round before it: what memory shows, or nothing, and the last frames."""
        frames, chunk_frames = history.flatten(1, 2), history.shape[2]
        num_past = self.model.decoder.config.past_frames
        ends = torch.arange(num_rounds, device=history.device) * chunk_frames
        ends = ends + (history.shape[1] - num_rounds + 1) * chunk_frames
        places = ends[:, None] + torch.arange(-num_past, 0, device=history.device)
        past = frames[:, places.clamp(min=0)]
        recalled_frames = self.model.decoder.config.recalled_frames
        if not recalled_frames:
            return past
        nothing = past.new_zeros(*past.shape[:2], recalled_frames, *past.shape[3:])
        return torch.cat([nothing if pictures is None else pictures, past], dim=2)

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
        count = self.processes.sum(rows.sum()).clamp(min=1)  # no round may count, of this process or of all
        reward = self.processes.sum(cross_entropy(reward_logits[rows], rewards[rows], reduction="sum") / count)
        termination = binary_cross_entropy_with_logits(termination_logits[rows], terminated[rows], reduction="sum")
        termination = self.processes.sum(termination / count)
        return reward + termination, {"reward": reward.detach(), "termination": termination.detach()}

    @torch.no_grad()
    def _dream(
        self,
        begin: Float[Tensor, "batch lead frames channel h w"],
        actions: Float[Tensor, "batch rounds tokens width"],
        generator: torch.Generator,
        bank: MemoryBank | None = None,
        written: Float[Tensor, "batch rounds tokens width"] | None = None,
    ) -> Float[Tensor, "batch lead_time frames channel h w"]:
        """The history as the model itself continues it from the first observations, re-encoded at every step."""
        model, sampler = self.model, self.model.sampler
        sigmas = sampler.sigmas(sampler.num_steps(1))
        reached = begin
        transition = model.transition.empty_cache(len(begin))
        chunks = sampler.begin(len(begin))
        for number in range(actions.shape[1] - 1):
            tokens = model.encoder(reached[:, -1])
            state, transition = model.transition.step(transition, tokens, actions[:, number])
            kept = None if written is None else written[:, number]
            picture, bank = model.transition.recall_and_write(actions[:, number], bank, reached[:, -1], kept)
            shape = (len(begin), sampler.num_noise_frames, *begin.shape[3:])
            noise = self._random(torch.randn, shape, generator)
            past = self._past(reached, 1, picture[:, None])[:, 0]
            drawn, chunks = sampler.draw(chunks, past, state, noise, 1.0, sigmas)
            chunk = model.autoencoder.encode(model.autoencoder.decode(drawn))
            chunks = sampler.write(chunks, chunk, past, state)
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
        kept = self.config.describe(has_memory=self._earlier is not None)
        return {**kept, "decoder": self.model.decoder.config.as_json()}

    def _mean(self, value: Tensor, weight: Tensor) -> Float[Tensor, ""]:
        """The weighted mean over the batches of all processes."""
        return self.processes.sum((value * weight).sum()) / self.processes.sum(weight.sum()).clamp(min=1e-6)
