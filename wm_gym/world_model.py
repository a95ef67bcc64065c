"""The world model: the narrow middle that joins encoder, transition, decoder and autoencoder into one step.

GLP (PAN, arXiv 2511.09057): o_t -> h -> observation tokens; f(tokens, a_t) -> latent state; g(latent state, past) ->
o_{t+1}. The decoded frames are encoded again before they become history, which keeps small errors from adding up.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from wm_gym.action_tokens import ActionTokens
from wm_gym.actions import Action, check_numbers
from wm_gym.checkpoint import Parts, read_checkpoint, write_checkpoint
from wm_gym.compiled_step import compiled_step
from wm_gym.decoder.chunk_sampler import ChunkSampler, ChunkSampling, chunk_sampler
from wm_gym.decoder.guidance import Guidance
from wm_gym.rollout import Rollout, check_action_sequences, roll_out
from wm_gym.step_output import StepOutput, Stopwatch
from wm_gym.transition.history import history_with
from wm_gym.transition.language_action_encoder import LanguageActionEncoder
from wm_gym.transition.round_cache import RoundCache
from wm_gym.world_card import ModelCard
from wm_gym.world_checks import Layout, check_actions, check_frames, check_layout, layout
from wm_gym.world_noise import latents_noise, outcome_noise, world_noise
from wm_gym.world_state import WorldState, check_seeds
from wm_gym.world_step import StepInputs, WorldStep, world_step

if TYPE_CHECKING:
    from wm_gym.pan.config import PanConfig
    from wm_gym.pan.pan_world_model import PanWorldModel

__all__ = ["StepOutput", "WorldModel", "world_noise"]


class WorldModel(nn.Module):
    """Simulates a batch of worlds from frames and action texts."""

    def __init__(self, parts: Parts, sampling: ChunkSampling | None = None) -> None:
        super().__init__()
        self.card = parts.card
        self.reader = parts.reader
        self.starts = parts.starts
        self.autoencoder = parts.autoencoder
        self.encoder = parts.encoder
        self.action_encoder = parts.action_encoder
        self.transition = parts.transition
        self.heads = parts.heads
        self.decoder = parts.decoder
        self._action_tokens = ActionTokens()
        self._state_layout: Layout = {}
        self._sampling = sampling
        self._world_step: WorldStep = world_step
        _ = self.sampler  # refuses a sampling that the decoder has not

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | Path,
        device: str = "cpu",
        sampling: ChunkSampling | None = None,
        compiled: bool = False,
    ) -> "WorldModel":
        """Load a shipped checkpoint by name, or one of your own by folder.

        Args:
            name_or_folder: the checkpoint.
            device: as torch names it.
            sampling: how chunks are drawn one after the other, "autoregressive" or "swin" (see
                `wm_gym.decoder.chunk_sampler`); None as the checkpoint was trained for. A state goes on under the
                sampling that it was made with.
            compiled: run a step through `torch.compile`, as one graph: its first steps take a minute or two, the others
                less than without. Frames may differ in the last bits from those without; latencies are those of the
                whole step.

        Raises:
            CheckpointError: no such checkpoint, or one that is cut, changed or incomplete.
            ValueError: a device that torch cannot use here, a sampling that is none, or no compiler.
        """
        model = cls(read_checkpoint(name_or_folder), sampling)
        try:
            model.to(device).eval()
        except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch says it in all three ways
            raise ValueError(
                f"device must be one that torch has here, got {device!r} ({error}); device='cpu' always is"
            ) from error
        if compiled:
            model._world_step = compiled_step(model.device)
        return model

    @staticmethod
    def from_parts(
        vision_language: str | Path,
        video: str | Path,
        *,
        adapter: str | Path | None = None,
        config: "PanConfig | None" = None,
        device: str = "cpu",
    ) -> "PanWorldModel":
        """A world model at PAN's scale from your own copies of Qwen2.5-VL and Wan2.1, or from the Hugging Face hub.

        Chunks are drawn on finished ones, seen at `config.context_sigma`; Causal Swin-DPM is for small models alone.
        Only safetensors are read. Without an adapter, what PAN adds to the official weights is as before its training:
        the decoder follows the action's text and not yet the latent state.

        Args:
            vision_language: folder or hub id of Qwen2.5-VL, such as "Qwen/Qwen2.5-VL-7B-Instruct": encoder, transition.
            video: folder or hub id of Wan2.1 in diffusers' layout, such as "Wan-AI/Wan2.1-T2V-1.3B-Diffusers": decoder,
                umT5 and autoencoder.
            adapter: folder that `save_adapter` wrote.
            config: sizes, defaults, dtype, offload and quantization; by default PAN's.
            device: where the networks run.

        Raises:
            ValueError: a missing folder, a wrong part, a missing or misfitting weight, or parts that do not fit each
                other, the config or the device.
        """
        from wm_gym.pan.pan_world_model import load_pan_world_model

        return load_pan_world_model(vision_language, video, adapter, config, device)

    def save_pretrained(self, folder: str | Path) -> ModelCard:
        """Write a checkpoint folder and return its card with the weights' hash."""
        return write_checkpoint(Path(folder), self.parts())

    def parts(self) -> Parts:
        """The parts it was built from."""
        return Parts(
            card=self.card,
            autoencoder=self.autoencoder,
            encoder=self.encoder,
            action_encoder=self.action_encoder,
            transition=self.transition,
            heads=self.heads,
            decoder=self.decoder,
            reader=self.reader,
            starts=self.starts,
        )

    @property
    def max_controls(self) -> int:
        """Most numbers that an action may have; 0 where actions are texts."""
        return self.action_encoder.max_controls if isinstance(self.action_encoder, LanguageActionEncoder) else 0

    @property
    def kept_frames(self) -> int:
        """Latent frames that a state keeps: those of its chunk, and those before the next one that the decoder sees."""
        return max(self.card.chunk_frames, self.decoder.config.past_frames)

    @property
    def shift(self) -> float:
        """Shift of the decoder's noise levels."""
        return self.decoder.config.shift

    @property
    def sampler(self) -> ChunkSampler:
        """How chunks are drawn one after the other."""
        return chunk_sampler(self.decoder, self._sampling, self.card.num_denoising_steps)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @torch.no_grad()
    def reset(self, frames: NDArray[np.uint8] | Tensor, seeds: Sequence[int]) -> WorldState:
        """Worlds that begin at the given observations.

        Args:
            frames: uint8 (batch, frames, height, width, 3), in 0..255: a chunk, or up to `kept_frames` frames that also
                show how things move.
            seeds: one non-negative integer a world; equal seeds and actions give equal frames, bit for bit.

        Raises:
            ValueError: frames of another shape or dtype, or a wrong number of seeds.
        """
        observation = self._observed(frames)
        checked = check_seeds(seeds, len(observation))
        latents = self.autoencoder.encode(observation)
        still = latents[:, :1].expand(-1, self.kept_frames - latents.shape[1], -1, -1, -1)
        chunk_frames, chunks = self.card.chunk_frames, self.sampler.begin(len(observation))
        return WorldState(
            weights_hash=self.card.weights_hash,
            seeds=torch.tensor(checked, dtype=torch.int64, device=self.device),
            rounds=torch.zeros(len(observation), dtype=torch.int64, device=self.device),
            frames=observation[:, -chunk_frames:],
            latents=torch.cat([still, latents], dim=1),
            observation_tokens=self.encoder(latents[:, -chunk_frames:]),
            transition=self.transition.empty_cache(len(observation)),
            decoder=chunks.cache,
            streams=chunks.streams,
            memory=self.transition.empty_memory(len(observation)),
        )

    @torch.no_grad()
    def step(
        self,
        state: WorldState,
        actions: Sequence[Action],
        *,
        num_denoising_steps: int | None = None,
        temperature: float | None = None,
        context_noise: float = 0.0,
        sample_outcomes: bool = False,
        events: Sequence[str] | None = None,
        guidance: Guidance | None = None,
    ) -> tuple[WorldState, StepOutput]:
        """One transition of every world in the batch; `state` stays as it is.

        Args:
            state: from `reset`, `step` or `WorldState.load`.
            actions: one a world: a text, where "" means "do nothing", or numbers in [-1, 1].
            num_denoising_steps: decoder calls; default is the card's.
            temperature: scale of the initial noise, 0 draws the mean; default is the card's.
            context_noise: standard deviation of the noise on the latents that the step goes on from, each world's own;
                they are in [-1, 1], and the state keeps them clean.
            sample_outcomes: draw reward and end from the heads' probabilities, with each world's own noise. Default:
                the median reward, and an end where its probability is above 0.5. The two are drawn independently,
                as the heads are trained; expected returns do not depend on that.
            events: what happens to each world beside the action, such as "the door opens"; "" for nothing. An event
                moves the action's tokens by what its text says more than "" does. A model with memory then writes its
                history again as if the event had been known in every round of it, and earlier events in none, as long
                as its memory still holds all of these rounds (first rounds that stay in a history leave it).
            guidance: classifier-free guidance on action and latent state, for weights trained with `action_dropout` and
                `state_dropout`; it costs up to two decoder calls more a denoising step: one where the scales differ,
                one where `state_scale` is not 1.

        Raises:
            ValueError: a state of another checkpoint, actions that are not one valid one a world, events that are not
                one text a world, less than one denoising step, a negative temperature or context noise, or guidance
                under "swin".
        """
        self._check_step(state, actions, events)
        sigmas, scale = self._sigmas_and_scale(num_denoising_steps, temperature)
        if not 0 <= context_noise < math.inf:
            raise ValueError(f"context_noise must be at least 0 and finite, got {context_noise}")
        clock = Stopwatch()
        with clock("transition"):
            written = self.encode_actions(actions)
            tokens, rewritten_rounds = written, None
            if events is not None and any(events):
                tokens, rewritten_rounds = self._happen(state, written, events)
        sampler = self.sampler
        with clock("decoder"):
            noise = world_noise(state, (sampler.num_noise_frames, *state.latents.shape[2:]))
        inputs = StepInputs(
            state=state,
            action_tokens=tokens,
            written=written,
            noise=noise,
            temperature=scale,
            sigmas=sigmas,
            guidance=None if guidance == Guidance() else guidance,
            context_noise=context_noise * latents_noise(state) if context_noise else None,
            rewritten_rounds=rewritten_rounds,
        )
        stepped = self._world_step(self.parts(), sampler, inputs, clock)
        with clock("heads"):
            quantile, threshold = outcome_noise(state) if sample_outcomes else (0.5, 0.5)
        output = StepOutput(
            frames=stepped.state.frames.clone(),  # the caller may write to them; the state keeps its own
            reward=self.heads.reward(stepped.reward_logits, quantile),
            terminated=stepped.termination_probability > threshold,
            termination_probability=stepped.termination_probability,
            uncertainty=stepped.uncertainty,
            latencies=clock.seconds if self._world_step is world_step else {"step": sum(clock.seconds.values())},
        )
        return stepped.state, output

    def _happen(
        self, state: WorldState, action_tokens: Float[Tensor, "batch tokens width"], events: Sequence[str]
    ) -> tuple[Float[Tensor, "batch tokens width"], RoundCache | None]:
        """The round's action tokens with the events in them; with a memory, the history as if they had been known."""
        shift = self.encode_actions(events) - self.encode_actions([""])
        if state.memory is None:
            return action_tokens + shift, None
        history = history_with(self.transition, state.transition, state.memory, self.encoder, shift)
        return action_tokens + shift, history

    def rollout(
        self,
        state: WorldState,
        action_sequences: Sequence[Sequence[Action]],
        *,
        keep_frames: bool = False,
        keep_state: bool = False,
        share_prefixes: bool = False,
        memory_limit: int | None = None,
        should_stop: Callable[[], bool] | None = None,
        progress: bool = False,
        num_denoising_steps: int | None = None,
        temperature: float | None = None,
        context_noise: float = 0.0,
        sample_outcomes: bool = False,
    ) -> Rollout:
        """Imagine many futures; what `step` would give for each of them, without a step after an episode's end.

        Args:
            state: one world that all futures begin in, or one for each.
            action_sequences: equally long lists of actions, one a future.
            keep_frames: also return what is seen after each step.
            keep_state: also return the worlds after their last step.
            share_prefixes: step futures that have said the same so far as one world; another batch size rounds another
                way, so the last bits may differ.
            memory_limit: bytes that the worlds of one model call may take; more futures are imagined one batch after
                the other. Default: 64 MiB on a CPU, a quarter of the free memory on a GPU. What is returned comes on
                top.
            should_stop: asked before each model call; once it says True, what was imagined until then is returned.
            progress: whether to show a bar on stderr once it takes more than two seconds.
            num_denoising_steps: decoder calls; default is the card's.
            temperature: scale of the initial noise; default is the card's.
            context_noise: of each step, as `step` takes it.
            sample_outcomes: draw rewards and ends, as `step` does; futures of one world draw alike until `reseed`.

        Raises:
            ValueError: no sequence, one that is empty or of another length, an action that `step` refuses, neither one
                state nor one a future, a state of another checkpoint, or a limit that not even one world fits.
            RolloutInterrupted: Ctrl-C; it carries what was imagined until then.
        """
        self.check_state(state)
        check_action_sequences(action_sequences, state.batch_size)
        for action in (each for actions in action_sequences for each in actions):
            if isinstance(action, np.ndarray):
                check_numbers(action, self.max_controls)
        return roll_out(
            partial(
                self.step,
                num_denoising_steps=num_denoising_steps,
                temperature=temperature,
                context_noise=context_noise,
                sample_outcomes=sample_outcomes,
            ),
            state,
            action_sequences,
            keep_frames=keep_frames,
            keep_state=keep_state,
            share_prefixes=share_prefixes,
            memory_limit=memory_limit,
            should_stop=should_stop,
            progress=progress,
        )

    def check_state(self, state: object) -> None:
        """Check that a step can go on from `state`.

        Raises:
            ValueError: it is no `WorldState`, of another checkpoint, or its tensors are not those of this model.
        """
        if not isinstance(state, WorldState):
            raise ValueError(f"state must be a WorldState, got {type(state).__name__}; take one from reset or load")
        if state.weights_hash != self.card.weights_hash:
            raise ValueError(
                f"state must come from this checkpoint ({self.card.weights_hash[:12]}), got one of "
                f"{state.weights_hash[:12]}; load that checkpoint or reset"
            )
        if not self._state_layout:
            blank = torch.zeros(1, self.card.chunk_frames, *self.card.frame_size, 3, dtype=torch.uint8)
            self._state_layout = layout(self.reset(blank, seeds=[0]))
        check_layout(state, self._state_layout)

    def encode_actions(self, actions: Sequence[Action]) -> Float[Tensor, "batch tokens width"]:
        """Action tokens of each action; a distinct text is encoded once and then remembered."""
        return self._action_tokens.encode(actions, self.reader, self.action_encoder, self.device)

    def train(self, mode: bool = True) -> "WorldModel":
        """Switch between training and evaluation; what was remembered of the weights before is forgotten."""
        self._action_tokens.clear()
        return super().train(mode)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "WorldModel":
        self._action_tokens.clear()  # they would stay on the old device, in the old dtype
        self._state_layout.clear()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self

    def _sigmas_and_scale(
        self, num_denoising_steps: int | None, temperature: float | None
    ) -> tuple[list[float], float]:
        """The schedule and the scale of the initial noise, the card's where the caller names none."""
        scale = self.card.temperature if temperature is None else temperature
        if not isinstance(num_denoising_steps, int | np.integer | None):
            raise ValueError(f"num_denoising_steps must be an integer and at least 1, got {num_denoising_steps!r}")
        if not 0 <= scale < math.inf:
            raise ValueError(f"temperature must be at least 0 and finite, got {scale}")
        return self._sigmas(num_denoising_steps), float(scale)

    def _sigmas(self, num_denoising_steps: int | None) -> list[float]:
        usual = self.sampler.num_steps(self.card.num_denoising_steps)
        return self.sampler.sigmas(usual if num_denoising_steps is None else int(num_denoising_steps))

    def _observed(self, frames: NDArray[np.uint8] | Tensor) -> UInt8[Tensor, "batch frames height width 3"]:
        """The frames that worlds begin at, checked, on the device."""
        return check_frames(frames, self.card.chunk_frames, self.kept_frames, self.card.frame_size).to(self.device)

    def _check_step(self, state: WorldState, actions: Sequence[Action], events: Sequence[str] | None = None) -> None:
        self.check_state(state)
        check_actions(actions, events, state.batch_size, self.max_controls)
