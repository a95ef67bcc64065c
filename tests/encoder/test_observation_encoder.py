"""Latents of a chunk to observation tokens."""

import torch

from tests.tolerances import assert_near
from wm_gym.encoder.observation_encoder import ObservationEncoder, ObservationEncoderConfig


def encoder(chunk_frames: int = 2) -> ObservationEncoder:
    torch.manual_seed(0)
    config = ObservationEncoderConfig(latent_channels=3, latent_size=(4, 6), chunk_frames=chunk_frames, width=8)
    built: ObservationEncoder = ObservationEncoder.build(config)
    return built.eval()


@torch.no_grad()
def test_one_token_a_patch_and_frame() -> None:
    assert encoder()(torch.randn(5, 2, 3, 4, 6)).shape == (5, 2 * 2 * 3, 8)
    assert encoder(chunk_frames=1)(torch.randn(5, 1, 3, 4, 6)).shape == (5, 2 * 3, 8)


def test_num_tokens_is_the_configs() -> None:
    config = ObservationEncoderConfig(latent_size=(4, 6), chunk_frames=2)
    assert config.num_tokens == encoder().num_tokens == 12


@torch.no_grad()
def test_token_reads_its_own_patch() -> None:
    network, latents = encoder(), torch.randn(1, 2, 3, 4, 6)
    before = network(latents)
    latents[0, 1, :, 2:4, 0:2] += 1  # second frame, second row, first column
    changed = (network(latents) - before).abs().amax(dim=(0, 2)) > 1e-7
    assert changed.nonzero().flatten().tolist() == [6 + 3]


@torch.no_grad()
def test_equal_patches_at_different_places_have_different_tokens() -> None:
    tokens = encoder()(torch.zeros(1, 2, 3, 4, 6))[0]
    distances = (tokens[:, None] - tokens[None]).abs().amax(dim=2)
    assert (distances + torch.eye(12)).min() > 1e-3


@torch.no_grad()
def test_a_chunk_does_not_depend_on_its_batch() -> None:
    network, latents = encoder(), torch.randn(4, 2, 3, 4, 6)
    assert_near(network(latents[1:2]), network(latents)[1:2])
