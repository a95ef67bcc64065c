"""Euler steps from noise to clean latents."""

from typing import Any, get_args

import pytest
import torch

from tests.decoder.decoders import LATENT_CHANNELS, LATENT_SIZE, NUM_STATES, STATE_WIDTH, random_decoder
from tests.tolerances import assert_near
from wm_gym.decoder.sampling import sample_chunk, write_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.decoder.video_decoder import PredictionTarget, VideoDecoder

TARGETS = get_args(PredictionTarget)


def inputs(batch_size: int = 2, frames: int = 1) -> dict[str, Any]:
    """Random arguments of `sample_chunk`."""
    generator = torch.Generator().manual_seed(0)
    return {
        "past": torch.randn(batch_size, 1, LATENT_CHANNELS, *LATENT_SIZE, generator=generator),
        "latent_state": torch.randn(batch_size, NUM_STATES, STATE_WIDTH, generator=generator),
        "noise": torch.randn(batch_size, frames, LATENT_CHANNELS, *LATENT_SIZE, generator=generator),
    }


def point_at(decoder: VideoDecoder, clean: float) -> None:
    """Makes the network's output constant: a `clean`-target decoder then always sees the same clean latents."""
    torch.nn.init.zeros_(decoder.transformer.proj_out.weight)
    torch.nn.init.constant_(decoder.transformer.proj_out.bias, clean)


@torch.no_grad()
@pytest.mark.parametrize("num_denoising_steps", [1, 4])
def test_every_path_ends_at_the_clean_latents_it_points_at(num_denoising_steps: int) -> None:
    decoder = random_decoder(prediction_target="clean")
    point_at(decoder, 0.3)
    clean = sample_chunk(decoder, decoder.empty_cache(2), **inputs(), sigmas=sampling_sigmas(num_denoising_steps, 3.0))
    assert_near(clean, torch.full_like(clean, 0.3))


@torch.no_grad()
def test_residual_is_added_to_the_last_frame() -> None:
    decoder = random_decoder(prediction_target="residual")
    point_at(decoder, 0.5)
    given = inputs()
    clean = sample_chunk(decoder, decoder.empty_cache(2), **given, sigmas=sampling_sigmas(2, 3.0))
    assert_near(clean, given["past"] + 0.5)


@torch.no_grad()
@pytest.mark.parametrize("num_denoising_steps", [1, 3, 10])
def test_constant_velocity_is_integrated_exactly(num_denoising_steps: int) -> None:
    decoder = random_decoder(prediction_target="velocity")
    point_at(decoder, 2.0)
    given = inputs()
    clean = sample_chunk(decoder, decoder.empty_cache(2), **given, sigmas=sampling_sigmas(num_denoising_steps, 3.0))
    assert_near(clean, given["noise"] - 2.0)


@torch.no_grad()
@pytest.mark.parametrize("target", TARGETS)
def test_one_step_equals_the_network_at_sigma_one(target: PredictionTarget) -> None:
    decoder = random_decoder(prediction_target=target)
    given, level = inputs(), torch.ones(2)
    clean = sample_chunk(decoder, decoder.empty_cache(2), **given, sigmas=[1.0, 0.0])
    output, _ = decoder.step(decoder.empty_cache(2), given["noise"], given["past"], level, given["latent_state"])
    assert_near(clean, decoder.clean(output, given["noise"], given["past"], level))


@torch.no_grad()
@pytest.mark.parametrize("target", TARGETS)
def test_noise_and_past_matter(target: PredictionTarget) -> None:
    decoder = random_decoder(window_chunks=2, prediction_target=target)
    given, sigmas = inputs(), sampling_sigmas(2, 3.0)
    first = sample_chunk(decoder, decoder.empty_cache(2), **given, sigmas=sigmas)
    cache = write_chunk(decoder, decoder.empty_cache(2), first, given["past"], given["latent_state"])
    second = sample_chunk(decoder, cache, **given, sigmas=sigmas)
    third = sample_chunk(decoder, cache, **given | {"noise": -given["noise"]}, sigmas=sigmas)
    assert (first - second).abs().max() > 1e-3
    assert (second - third).abs().max() > 1e-3


@torch.no_grad()
def test_cache_gains_one_chunk_up_to_the_window() -> None:
    decoder, given = random_decoder(window_chunks=3), inputs()
    cache = decoder.empty_cache(2)
    for chunks in (1, 2, 2):
        cache = write_chunk(decoder, cache, given["noise"], given["past"], given["latent_state"])
        assert cache.chunks.tolist() == [chunks, chunks]


@torch.no_grad()
def test_what_is_written_are_the_keys_of_the_chunk_without_noise() -> None:
    decoder, given = random_decoder(window_chunks=2), inputs()
    clean, empty = inputs()["noise"].flip(0), decoder.empty_cache(2)
    written = write_chunk(decoder, empty, clean, given["past"], given["latent_state"])
    _, expected = decoder.step(empty, clean, given["past"], torch.zeros(2), given["latent_state"])
    _, noisy = decoder.step(empty, clean, given["past"], torch.ones(2), given["latent_state"])
    assert torch.equal(written.keys, expected.keys)
    assert torch.equal(written.values, expected.values)
    assert (written.keys - noisy.keys).abs().max() > 1e-3


@torch.no_grad()
def test_a_window_of_one_chunk_writes_nothing() -> None:
    decoder, given = random_decoder(window_chunks=1), inputs()
    cache = decoder.empty_cache(2)
    assert write_chunk(decoder, cache, given["noise"], given["past"], given["latent_state"]) is cache


@torch.no_grad()
def test_given_noise_is_not_changed() -> None:
    decoder, given = random_decoder(), inputs()
    before = given["noise"].clone()
    sample_chunk(decoder, decoder.empty_cache(2), **given, sigmas=sampling_sigmas(3, 3.0))
    assert torch.equal(given["noise"], before)
