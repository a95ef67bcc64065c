"""PAN at its own scale behind the reset and step of every world model.

What differs from the small worlds: the autoencoder is a stream whose features are part of the state; the encoder looks
at frames, not at latents; the decoder also reads the action's text, under guidance; and a finished chunk is written
into the decoder's cache as it looks after decoding and encoding. There are no heads: rewards are 0, no episode ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor, nn

from wm_gym.action_tokens import ActionTokens
from wm_gym.actions import Action
from wm_gym.decoder.guidance import Guidance
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.pan.config import PanConfig
from wm_gym.pan.guided_sampling import sample_guided_chunk, write_chunk
from wm_gym.pan.pan_parts import PanParts
from wm_gym.pan.qwen_transition import Dialogue
from wm_gym.pan.wan_decoder import Conditions
from wm_gym.step_output import StepOutput, Stopwatch
from wm_gym.world_card import ModelCard
from wm_gym.world_model import WorldModel
from wm_gym.world_noise import world_noise
from wm_gym.world_state import WorldState, check_seeds

TEXT_CACHE_SIZE = 64  # distinct texts kept encoded; 4 MiB each at umT5's size
_PICTURE, _CONTEXT, _START = 0, 1, 2  # which draw of a round's noise is for what


class PanWorldModel(WorldModel):
    """Simulates a batch of worlds with Qwen2.5-VL and Wan2.1."""

    def __init__(self, parts: PanParts) -> None:
        nn.Module.__init__(self)
        config = parts.config
        self.card = ModelCard(
            worlds={"pan": config.world},
            frame_size=config.frame_size,
            chunk_frames=config.chunk_frames,
            num_denoising_steps=config.num_denoising_steps,
            weights_hash=parts.fingerprint,
        )
        self.starts: Mapping[str, Tensor] = {}
        self._parts = parts
        self.networks = nn.ModuleList(parts.networks)
        self._texts: dict[str, Tensor] = {}
        self._action_tokens = ActionTokens()
        self._state_layout: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}

    @property
    def max_controls(self) -> int:
        """Most numbers that an action may have: none, actions are texts."""
        return 0

    @property
    def kept_frames(self) -> int:
        """Frames that a world begins with: one chunk."""
        return self.card.chunk_frames

    @property
    def shift(self) -> float:
        """Shift of the noise levels."""
        return self._parts.config.shift

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self._parts.placement.device

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "PanWorldModel":
        self._texts.clear()  # they would stay on the old device, in the old dtype
        super()._apply(fn, recurse)
        return self

    def save_adapter(self, folder: str | Path) -> None:
        """Write what PAN adds to the official weights, for `adapter` of `from_parts`."""
        self._parts.save_adapter(Path(folder))

    def save_pretrained(self, folder: str | Path) -> ModelCard:
        """Not for this model: its parts have folders of their own.

        Raises:
            ValueError: always.
        """
        raise ValueError("a model of from_parts must be saved by save_adapter: its parts have folders of their own")

    @torch.no_grad()
    def reset(self, frames: NDArray[np.uint8] | Tensor, seeds: Sequence[int]) -> WorldState:
        """Worlds that begin at the given observations.

        Args:
            frames: uint8 (batch, chunk_frames, height, width, 3), in 0..255; repeat a single picture.
            seeds: one non-negative integer a world.

        Raises:
            ValueError: frames of another shape or dtype, or a wrong number of seeds.
        """
        parts, observation = self._parts, self._observed(frames)
        batch_size = len(observation)
        checked = torch.tensor(check_seeds(seeds, batch_size), dtype=torch.int64, device=self.device)
        with parts.placement.running(parts.autoencoder):
            video = torch.cat([observation[:, :1], observation], dim=1)  # the first frame is a latent of its own
            latents, encoded = parts.autoencoder.encode({}, video)
            _, decoded = parts.autoencoder.decode_pixels({}, latents)
        with parts.placement.running(parts.encoder, parts.transition):
            dialogue, tokens = parts.transition.empty(batch_size), parts.encoder(observation)
        absent = torch.zeros(batch_size, parts.config.num_state_tokens, tokens.shape[2]).to(tokens)
        with parts.placement.running(parts.decoder):
            state = WorldState(
                weights_hash=self.card.weights_hash,
                seeds=checked,
                rounds=torch.zeros_like(checked),
                frames=observation,
                latents=latents[:, 1:].float(),
                observation_tokens=torch.cat([absent, tokens], dim=1),
                transition=dialogue.cache,
                decoder=parts.decoder.empty_cache(batch_size),
                streams=_streams(encoded, decoded, dialogue),
            )
            nothing = Conditions(self._read([""] * batch_size), None)
            noise = self._noise(state, _START)
            sigma = parts.config.context_sigma
            cache = write_chunk(parts.decoder, state.decoder, nothing, state.latents, noise, sigma)
        return replace(state, decoder=cache)

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
            actions: one text a world, where "" means "do nothing".
            num_denoising_steps: decoder calls; default is the card's.
            temperature: scale of the initial noise; default is the card's.
            context_noise: the noise level, below 1, at which this step's chunk becomes what later ones are drawn from,
                where it is above the config's `context_sigma`.
            sample_outcomes: nothing to sample here: no heads.
            events: what happens to each world beside the action, in words that follow it; "" for nothing.
            guidance: in place of the config's scale; text and latent state have one together, `action_scale`.

        Raises:
            ValueError: a state of another model, actions or events that are not one text a world, less than one
                denoising step, a negative temperature, a context noise outside [0, 1), or a `state_scale` of its own.
        """
        self._check_step(state, actions, events)
        guidance = guidance or Guidance(action_scale=self._parts.config.guidance_scale)
        if guidance.state_scale != 1:
            raise ValueError(f"state_scale must be 1 here, got {guidance.state_scale}; action_scale scales both")
        sigmas, scale = self._sigmas_and_scale(num_denoising_steps, temperature)
        if not 0 <= context_noise < 1:
            raise ValueError(f"context_noise must be in [0, 1) here, got {context_noise}")
        parts, clock = self._parts, Stopwatch()
        told = zip(actions, events or [""] * len(actions), strict=True)
        texts = [". ".join(filter(None, (str(action), event))) for action, event in told]
        with clock("transition"), parts.placement.running(parts.transition):
            latent_state, dialogue = self._predict(state, texts)
        conditions = Conditions(self._read([parts.config.text_prefix + text for text in texts]), latent_state)
        nothing = Conditions(self._read([""] * len(texts)), None)
        with clock("decoder"), parts.placement.running(parts.decoder):
            noise = scale * self._noise(state, _PICTURE)
            drawn = sample_guided_chunk(
                parts.decoder, state.decoder, conditions, nothing, noise, sigmas, guidance.action_scale
            )
        with clock("autoencoder"), parts.placement.running(parts.autoencoder):
            frames, decoded = parts.autoencoder.decode(_stream(state, "decode"), drawn)
            latents, encoded = parts.autoencoder.encode(_stream(state, "encode"), frames)
            latents = latents.float()
        with clock("decoder"), parts.placement.running(parts.decoder):
            noise = self._noise(state, _CONTEXT)
            sigma = max(context_noise, parts.config.context_sigma)
            cache = write_chunk(parts.decoder, state.decoder, conditions, latents, noise, sigma)
        with clock("encoder"), parts.placement.running(parts.encoder):
            tokens = parts.encoder(frames)
        next_state = WorldState(
            weights_hash=state.weights_hash,
            seeds=state.seeds,
            rounds=state.rounds + 1,
            frames=frames,
            latents=latents,
            observation_tokens=torch.cat([latent_state, tokens], dim=1),
            transition=dialogue.cache,
            decoder=cache,
            streams=_streams(encoded, decoded, dialogue),
        )
        return next_state, _output(frames, drawn, latents, clock.seconds)

    def _predict(self, state: WorldState, texts: Sequence[str]) -> tuple[Float[Tensor, "n states width"], Dialogue]:
        transition, states = self._parts.transition, self._parts.config.num_state_tokens
        read = [transition.tokenize(text) for text in texts]
        return transition.step(
            Dialogue(state.transition, state.streams["dialogue"]),
            state.observation_tokens[:, :states],
            state.rounds > 0,
            state.observation_tokens[:, states:],
            torch.stack([ids for ids, _ in read]).to(self.device),
            torch.stack([real for _, real in read]).to(self.device),
        )

    def _sigmas(self, num_denoising_steps: int | None) -> list[float]:
        usual = self.card.num_denoising_steps
        return sampling_sigmas(usual if num_denoising_steps is None else int(num_denoising_steps), self.shift)

    def _read(self, texts: Sequence[str]) -> Float[Tensor, "texts words width"]:
        """What the decoder reads of texts; each is encoded alone and then remembered."""
        if len(self._texts) + len(texts) > TEXT_CACHE_SIZE:
            self._texts.clear()
        if new := sorted(set(texts) - self._texts.keys()):
            with self._parts.placement.running(self._parts.text_encoder):
                self._texts |= {text: self._parts.text_encoder([text])[0] for text in new}
        return torch.stack([self._texts[text] for text in texts])

    def _noise(self, state: WorldState, draw: int) -> Float[Tensor, "batch frames channel h w"]:
        return world_noise(state, (draw + 1, *state.latents.shape[1:]))[:, draw]


def load_pan_world_model(
    vision_language: str | Path, video: str | Path, adapter: str | Path | None, config: PanConfig | None, device: str
) -> PanWorldModel:
    """See `WorldModel.from_parts`."""
    try:
        place = torch.empty(0, device=device).device
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # torch says it in all three ways
        raise ValueError(f"device must be one that torch has here, got {device!r} ({error})") from error
    return PanWorldModel(PanParts.load(vision_language, video, adapter, config or PanConfig(), place))


def _stream(state: WorldState, side: str) -> dict[str, Tensor]:
    start = f"{side}."
    return {name.removeprefix(start): tensor for name, tensor in state.streams.items() if name.startswith(start)}


def _streams(encoded: Mapping[str, Tensor], decoded: Mapping[str, Tensor], dialogue: Dialogue) -> dict[str, Tensor]:
    streams = {f"encode.{name}": tensor for name, tensor in encoded.items()}
    return streams | {f"decode.{name}": tensor for name, tensor in decoded.items()} | {"dialogue": dialogue.real}


def _output(
    frames: UInt8[Tensor, "batch frames height width 3"],
    drawn: Float[Tensor, "batch latents channel h w"],
    latents: Float[Tensor, "batch latents channel h w"],
    seconds: dict[str, float],
) -> StepOutput:
    nothing = torch.zeros(len(frames), device=frames.device)
    return StepOutput(
        frames=frames.clone(),
        reward=nothing,
        terminated=nothing.bool(),
        termination_probability=nothing.clone(),
        uncertainty=(drawn - latents).pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3)),
        latencies=seconds,
    )
