"""A step of a batch of worlds as a pure function of tensors: one graph, which `torch.compile` can take as a whole.

Checks, texts and chance come before it; what a user sees of it is made of it afterwards (`world_model.py`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.checkpoint import Parts
from wm_gym.decoder.chunk_sampler import ChunkHistory, ChunkSampler, draw_guided
from wm_gym.decoder.guidance import Condition, Guidance
from wm_gym.transition.memory_bank import MemoryBank
from wm_gym.transition.round_cache import RoundCache
from wm_gym.world_state import WorldState

Clock = Callable[[str], AbstractContextManager[None]]
"""Times the stage of its name, for as long as the block lasts."""


@dataclass(frozen=True, kw_only=True)
class StepInputs:
    """What a step is computed from, beside the weights.

    Attributes:
        state: the worlds before it.
        action_tokens: of the round, with its event.
        written: the action tokens that a memory keeps of the round: those without the event.
        noise: standard normal, as much as the sampler takes.
        temperature: scale of the initial noise.
        sigmas: the schedule.
        guidance: on action and latent state; None for none.
        context_noise: what is added to the state's latents before anything is computed from them; None for nothing.
        rewritten_rounds: the transition's past rounds as an event makes them; None for the state's own.
    """

    state: WorldState
    action_tokens: Float[Tensor, "batch tokens width"]
    written: Float[Tensor, "batch tokens width"]
    noise: Float[Tensor, "batch noise_frames channel h w"]
    temperature: float
    sigmas: list[float]
    guidance: Guidance | None = None
    context_noise: Float[Tensor, "batch kept channel h w"] | None = None
    rewritten_rounds: RoundCache | None = None

    @property
    def past_rounds(self) -> RoundCache:
        """What the transition remembers."""
        return self.state.transition if self.rewritten_rounds is None else self.rewritten_rounds


@dataclass(frozen=True, kw_only=True)
class Stepped:
    """What a step comes to.

    Attributes:
        state: the worlds after it.
        reward_logits: over the world's reward values.
        termination_probability: of the end.
        uncertainty: see `StepOutput`.
    """

    state: WorldState
    reward_logits: Float[Tensor, "batch rewards"]
    termination_probability: Float[Tensor, "batch"]
    uncertainty: Float[Tensor, "batch"]

    def clone(self) -> "Stepped":
        """The same in memory of its own."""
        return Stepped(
            state=self.state.clone(),
            reward_logits=self.reward_logits.clone(),
            termination_probability=self.termination_probability.clone(),
            uncertainty=self.uncertainty.clone(),
        )


WorldStep = Callable[[Parts, ChunkSampler, StepInputs, Clock], Stepped]


def world_step(parts: Parts, sampler: ChunkSampler, inputs: StepInputs, clock: Clock) -> Stepped:
    """The worlds one step on; nothing that goes in is changed."""
    state = inputs.state
    with clock("transition"):
        seen = _seen(parts, inputs)
        latent_state, transition = parts.transition.step(inputs.past_rounds, seen.tokens, inputs.action_tokens)
        past, memory = _past(parts, state, seen, inputs.action_tokens, inputs.written)
    with clock("decoder"):
        history = ChunkHistory(state.decoder, state.streams)
        if inputs.guidance is None:
            drawn, history = sampler.draw(history, past, latent_state, inputs.noise, inputs.temperature, inputs.sigmas)
        else:
            conditions = _conditions(parts, inputs, seen, inputs.guidance, past, latent_state)
            drawn = draw_guided(sampler, history, conditions, inputs.temperature * inputs.noise, inputs.sigmas)
    with clock("autoencoder"):
        frames = parts.autoencoder.decode(drawn)
        latents = parts.autoencoder.encode(frames)
    with clock("decoder"):
        chunks = sampler.write(history, latents, past, latent_state)
    with clock("heads"):
        observation_tokens = parts.encoder(latents)
        reward_logits, termination_logit = parts.heads(latent_state, observation_tokens)
    after = replace(
        state,
        rounds=state.rounds + 1,
        frames=frames,
        latents=torch.cat([state.latents[:, latents.shape[1] :], latents], dim=1),
        observation_tokens=observation_tokens,
        transition=transition,
        decoder=chunks.cache,
        streams=chunks.streams,
        memory=memory,
    )
    return Stepped(
        state=after,
        reward_logits=reward_logits,
        termination_probability=termination_logit.sigmoid(),
        uncertainty=(drawn - latents).pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3)),
    )


@dataclass(frozen=True)
class _Seen:
    """The last frames as a step sees them, with its context noise."""

    latents: Float[Tensor, "batch kept channel h w"]
    tokens: Float[Tensor, "batch tokens width"]


def _seen(parts: Parts, inputs: StepInputs) -> _Seen:
    """The state's frames, blurred as training blurs histories."""
    state = inputs.state
    if inputs.context_noise is None:
        return _Seen(state.latents, state.observation_tokens)
    latents = state.latents + inputs.context_noise
    return _Seen(latents, parts.encoder(latents[:, -parts.card.chunk_frames :]))


def _past(
    parts: Parts,
    state: WorldState,
    seen: _Seen,
    action_tokens: Float[Tensor, "batch tokens width"],
    written: Float[Tensor, "batch tokens width"],
) -> tuple[Float[Tensor, "batch past channel h w"], MemoryBank | None]:
    """What memory shows and the frames before the chunk, as the decoder takes them; and the memory after it.

    A memory is asked for the clean picture, and keeps it.
    """
    present = state.latents[:, -parts.card.chunk_frames :]
    picture, memory = parts.transition.recall_and_write(action_tokens, state.memory, present, written)
    return torch.cat([picture, seen.latents[:, -parts.decoder.config.past_frames :]], dim=1), memory


def _conditions(
    parts: Parts,
    inputs: StepInputs,
    seen: _Seen,
    guidance: Guidance,
    past: Float[Tensor, "batch past channel h w"],
    latent_state: Float[Tensor, "batch states width"],
) -> list[Condition]:
    """What the decoder is asked beside the whole latent state, with the weights of its answers."""
    whole, without_action, without_state = guidance.weights
    conditions = [Condition(weight=whole, past=past, latent_state=latent_state)]
    if without_action:
        unknown = torch.zeros_like(inputs.action_tokens)  # as `action_dropout` trains it
        aimless, _ = parts.transition.step(inputs.past_rounds, seen.tokens, unknown)
        anywhere, _ = _past(parts, inputs.state, seen, unknown, unknown)
        conditions.append(Condition(weight=without_action, past=anywhere, latent_state=aimless))
    if without_state:
        nothing = torch.zeros_like(latent_state)
        conditions.append(Condition(weight=without_state, past=past, latent_state=nothing))
    return conditions
