"""The weights of a world model in plain diffusers and transformers, without caches: the reference of a benchmark."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import WanTransformer3DModel
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.world_model import WorldModel


@dataclass(frozen=True, kw_only=True)
class PlainOutput:
    """What the reference gives for one step; the axes are those of `StepOutput`."""

    frames: UInt8[Tensor, "1 frames height width 3"]
    termination_probability: Float[Tensor, "1"]
    uncertainty: Float[Tensor, "1"]


class PlainWorldModel:
    """The weights of a world model without caches: a step is a function of all frames and actions so far."""

    def __init__(self, model: WorldModel) -> None:
        """Take the weights over.

        Raises:
            ValueError: the decoder's window or the sink rounds make what is cached more than a mask can say.
        """
        window, sink = model.decoder.config.window_chunks, model.transition.sink_rounds
        if window != 1 or sink != 0:
            raise ValueError(
                f"checkpoint must have a decoder window of 1 chunk and no sink rounds, got {window} and {sink}; "
                "time it with benchmarks.step_latency"
            )
        self.model = model
        self.transformer = WanTransformer3DModel.from_config(model.decoder.transformer.config).to(model.device).eval()
        self.transformer.load_state_dict(model.decoder.transformer.state_dict())

    @property
    def receptive_rounds(self) -> int:
        """The fewest rounds that give the outputs of a whole history: each layer reaches `history_rounds` further."""
        return int(self.model.transition.backbone.config.num_hidden_layers * self.model.transition.history_rounds + 1)

    @torch.no_grad()
    def step(
        self,
        frames: UInt8[Tensor, "rounds frames height width 3"],
        texts: Sequence[str],
        noise: Float[Tensor, "1 frames channel h w"],
    ) -> PlainOutput:
        """The next chunk after `frames` under the last of `texts`, one a round.

        Args:
            frames: every observation so far.
            texts: the action after each of them.
            noise: initial noise of the chunk.
        """
        model = self.model
        if model.transition.memory is not None:
            raise ValueError("checkpoint must have no memory, got one with; the plain step would leave it out")
        latents = model.autoencoder.encode(frames)
        read, real = model.reader.read(texts)
        actions = model.action_encoder(read.to(model.device), real.to(model.device))
        latent_state = self._latent_state(model.encoder(latents), actions)
        past = latents.flatten(0, 1)[None, -model.decoder.config.past_frames :]
        drawn = self._denoise(past, latent_state, noise)
        chunk = model.autoencoder.decode(drawn)
        encoded = model.autoencoder.encode(chunk)
        _, termination_logit = model.heads(latent_state, model.encoder(encoded))
        return PlainOutput(
            frames=chunk,
            termination_probability=termination_logit.sigmoid(),
            uncertainty=(drawn - encoded).pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3)),
        )

    def _latent_state(
        self, observations: Float[Tensor, "rounds tokens width"], actions: Float[Tensor, "rounds actions width"]
    ) -> Float[Tensor, "1 states width"]:
        transition = self.model.transition
        queries = transition.queries.weight
        tokens = torch.cat([observations, actions, queries.expand(len(observations), -1, -1)], dim=1).flatten(0, 1)
        seen = band_mask(len(observations), transition.round_tokens, transition.history_rounds, tokens.device)
        hidden = transition.backbone(inputs_embeds=tokens[None], attention_mask=seen, use_cache=False)
        states: Tensor = hidden.last_hidden_state[:, -len(queries) :]
        return states

    def _denoise(
        self,
        past: Float[Tensor, "1 past channel h w"],
        latent_state: Float[Tensor, "1 states width"],
        noise: Float[Tensor, "1 frames channel h w"],
    ) -> Float[Tensor, "1 frames channel h w"]:
        decoder = self.model.decoder
        grid = decoder.get_buffer("_grid").expand(1, noise.shape[1], -1, -1, -1)
        last = past.flatten(1, 2)[:, None].expand(-1, noise.shape[1], -1, -1, -1)
        sigmas = sampling_sigmas(self.model.card.num_denoising_steps, decoder.config.shift)
        noisy = clean = noise
        for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
            inputs = {"noisy": noisy, "last": last, "position": grid}
            stacked = torch.cat([inputs[name] for name in decoder.config.input_channels], dim=2).transpose(1, 2)
            level = torch.full((1,), sigma)
            (output,) = self.transformer(stacked, 1000 * level, latent_state, return_dict=False)
            clean = decoder.clean(output.transpose(1, 2), noisy, past, level)
            noisy = clean + (next_sigma / sigma) * (noisy - clean)
        return clean


def band_mask(
    rounds: int, round_tokens: int, history_rounds: int, device: torch.device
) -> Bool[Tensor, "1 1 tokens tokens"]:
    """True where a query sees a key: causal, within its own round and the `history_rounds` before it."""
    places = torch.arange(rounds * round_tokens, device=device)
    age = places[:, None] // round_tokens - places[None, :] // round_tokens
    return ((places[:, None] >= places[None, :]) & (age <= history_rounds))[None, None]
