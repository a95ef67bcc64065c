"""The kernels in a whole decoder: the same numbers as diffusers' model and as the house's decoder."""

from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan

from benchmarks.gpu_ring_decoder import KERNELS, REFERENCES, Operations, RingDecoder, fuse_norms
from tests.decoder.decoders import LATENT_SIZE, NUM_STATES, STATE_WIDTH, random_decoder
from tests.kernels.errors import draw
from tests.tolerances import assert_near
from wm_gym.decoder.sampling import sample_chunk, write_chunk

SIGMAS = [1.0, 0.6, 0.0]


def ring_decoder(decoder: Any, operations: Operations = KERNELS, **layout: int) -> RingDecoder:
    """Two worlds on the weights of a decoder."""
    sizes = {"chunk_frames": decoder.config.chunk_frames, "window_frames": decoder.config.window_chunks * 2, **layout}
    return RingDecoder(decoder.transformer, batch=2, latent_size=LATENT_SIZE, operations=operations, **sizes)


@pytest.mark.parametrize("operations", [KERNELS, REFERENCES], ids=["kernels", "references"])
def test_chunks_are_those_of_the_house_decoder(operations: Operations) -> None:
    """Both sample six chunks, beyond the window; one keeps keys before RoPE in a line, the other rotated in a ring."""
    decoder = random_decoder(3, 2, "velocity", ("noisy",), dtype=torch.float64)
    ring, cache = ring_decoder(decoder, operations), decoder.empty_cache(2)
    past = torch.zeros(2, 1, 4, *LATENT_SIZE, dtype=torch.float64)
    for number in range(6):
        noise = draw(2, 2, 4, *LATENT_SIZE, dtype=torch.float64, seed=number)
        text = draw(2, NUM_STATES, STATE_WIDTH, dtype=torch.float64, seed=10 + number)
        with torch.no_grad():
            expected = sample_chunk(decoder, cache, past, text, noise, SIGMAS)
            cache = write_chunk(decoder, cache, expected, past, text)
        actual = ring.sample(noise, ring.read_text(text), SIGMAS, full=number >= 2)
        torch.testing.assert_close(actual, expected, rtol=1e-6, atol=1e-6)  # LayerNorms and angles are float32 in Wan


def test_a_lone_chunk_is_diffusers_own_pass() -> None:
    decoder = random_decoder(3, 2, "velocity", ("noisy",))
    noisy, text = (
        draw(2, 2, 4, *LATENT_SIZE, dtype=torch.float32),
        draw(2, NUM_STATES, STATE_WIDTH, dtype=torch.float32),
    )
    sigma = torch.tensor([0.3, 0.8])
    with torch.no_grad():
        (expected,) = decoder.transformer(noisy.transpose(1, 2), 1000 * sigma, text, return_dict=False)
    ring = ring_decoder(decoder)
    assert_near(ring.forward(noisy, sigma, ring.read_text(text), full=False), expected.transpose(1, 2))


def test_the_sink_keeps_the_first_chunk() -> None:
    decoder = random_decoder(3, 2, "velocity", ("noisy",))
    ring = ring_decoder(decoder, sink_frames=2)
    text = ring.read_text(draw(2, NUM_STATES, STATE_WIDTH, dtype=torch.float32))
    ring.sample(draw(2, 2, 4, *LATENT_SIZE, dtype=torch.float32), text, SIGMAS, full=False)
    first = ring.rings[:, :, :, : ring.sink_tokens].clone()
    for seed in range(1, 5):
        ring.sample(draw(2, 2, 4, *LATENT_SIZE, dtype=torch.float32, seed=seed), text, SIGMAS, full=seed >= 2)
    assert torch.equal(ring.rings[:, :, :, : ring.sink_tokens], first)
    assert bool(first.any())


def test_the_autoencoder_decodes_alike_with_fused_norms() -> None:
    torch.manual_seed(0)
    autoencoder = AutoencoderKLWan(base_dim=6, z_dim=4, dim_mult=[1, 2], num_res_blocks=1, temperal_downsample=[True])
    latents = draw(1, 4, 2, 4, 4, dtype=torch.float32)
    with torch.no_grad():
        expected = autoencoder.decode(latents).sample
        assert fuse_norms(autoencoder) >= 8
        assert_near(autoencoder.decode(latents).sample, expected)
