"""Latents that are kept are those that were drawn, and nothing else changes."""

import torch

from benchmarks.kept_latents import keep_latents
from wm_gym.world_model import WorldModel


def test_latents_are_kept_on_demand() -> None:
    plain, kept = (WorldModel.from_pretrained("minigrid") for _ in range(2))
    keep_latents(kept)
    (starts,) = plain.starts.values()
    states = [model.reset(starts[:2], seeds=[0, 1]) for model in (plain, kept)]
    assert torch.equal(states[0].latents, states[1].latents)
    steps = [model.step(state, ["turn left"] * 2) for model, state in zip((plain, kept), states, strict=True)]
    (again, encoded), (drawn, as_drawn) = steps
    assert torch.equal(encoded.frames, as_drawn.frames)
    apart = (again.latents - drawn.latents).pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3))
    torch.testing.assert_close(apart, encoded.uncertainty)  # which tells how far the two are apart
    assert encoded.uncertainty.min() > 0 and not as_drawn.uncertainty.any()
