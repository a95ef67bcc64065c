"""Error recycling: the model's own errors in the history that it learns from (arXiv 2510.09212).

A chunk of the history is replaced by the model's answer to the true history before it, decoded and encoded again as in
a rollout. The next chunk stays the true one, so that the model learns to take its errors back. They are fresh ones of
the same place, all rounds at once, where the paper keeps a store of old ones: nothing to keep, and a resume repeats
them. A rollout's errors add up, but a state that left the truth is masked there.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from wm_gym.world_model import WorldModel


@torch.no_grad()
def recycled_history(
    model: WorldModel,
    history: Float[Tensor, "batch lead_time frames channel h w"],
    past: Float[Tensor, "batch rounds past channel h w"],
    actions: Float[Tensor, "batch rounds tokens width"],
    fraction: float,
    draw: Callable[[Callable[..., Tensor], tuple[int, ...]], Tensor],
) -> Float[Tensor, "batch lead_time frames channel h w"]:
    """The history with the model's own answers in place of a share of its chunks.

    Args:
        model: answers from the history alone, as after a reset; what it would recall is left out.
        history: latents of all observations but the last.
        past: the latent frames before each round, the newest last, behind an empty picture where there is a memory.
        actions: action tokens of each round.
        fraction: the chance of each chunk behind the segment's first observation, in [0, 1].
        draw: random numbers of a shape, by torch.rand or torch.randn.
    """
    batch, rounds = actions.shape[:2]
    count = rounds - 1  # the last answer is no history
    if not count:
        return history
    tokens = model.encoder(history[:, -rounds:].flatten(0, 1)).unflatten(0, (batch, rounds))
    states = model.transition(tokens, actions)[:, :count].flatten(0, 1)
    sampler = model.sampler
    sigmas = sampler.sigmas(sampler.num_steps(1))
    noise = draw(torch.randn, (batch, count, sampler.num_noise_frames, *history.shape[3:])).flatten(0, 1)
    begin = sampler.begin(batch * count)
    drawn, _ = sampler.draw(begin, past[:, :count].flatten(0, 1), states, noise, 1.0, sigmas)
    answers = model.autoencoder.encode(model.autoencoder.decode(drawn)).unflatten(0, (batch, count))
    chosen = draw(torch.rand, (batch, count, 1, 1, 1, 1)) < fraction
    return torch.cat([history[:, :-count], torch.where(chosen, answers, history[:, -count:])], dim=1)
