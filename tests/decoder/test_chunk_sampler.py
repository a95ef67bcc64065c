"""One face for the ways to sample."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.decoder.decoders import LATENT_CHANNELS, LATENT_SIZE, TRANSFORMER, random_decoder
from tests.decoder.windows import random_script
from tests.production import unchecked
from wm_gym.decoder.chunk_sampler import AutoregressiveSampler, SwinSampler, chunk_sampler
from wm_gym.decoder.sampling import sample_chunk, write_chunk
from wm_gym.decoder.sigmas import sampling_sigmas
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.decoder.swin_sampling import sample_swin_chunk
from wm_gym.decoder.swin_window import SwinWindow
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig


def trained_for_swin(**options: Any) -> VideoDecoder:
    decoder = random_decoder(**options)
    decoder.config = replace(decoder.config, swin=SwinConfig(stagger_space="sigma"))
    return decoder


def test_a_decoder_is_sampled_as_it_was_trained() -> None:
    assert isinstance(chunk_sampler(random_decoder(), None, 1), AutoregressiveSampler)
    sampler = chunk_sampler(trained_for_swin(), None, 4)
    assert isinstance(sampler, SwinSampler)
    assert (sampler.swin.stagger_space, sampler.num_levels) == ("sigma", 2)


def test_the_caller_may_choose_the_other() -> None:
    assert isinstance(chunk_sampler(trained_for_swin(), "autoregressive", 2), AutoregressiveSampler)
    sampler = chunk_sampler(random_decoder(), "swin", 1)
    assert isinstance(sampler, SwinSampler)
    assert sampler.swin == SwinConfig()


def test_swin_takes_the_next_even_number_of_steps() -> None:
    assert [chunk_sampler(random_decoder(), "swin", steps).num_steps(steps) for steps in (1, 2, 3)] == [2, 2, 4]
    assert chunk_sampler(random_decoder(), "swin", 3).begin(1).streams["window.keys"].shape[1] == 2


def test_an_unknown_sampling_is_refused() -> None:
    with unchecked(), pytest.raises(ValueError, match="sampling must be None, autoregressive or swin, got 'ddim'"):
        chunk_sampler(random_decoder(), "ddim", 1)  # type: ignore[arg-type]


def test_a_decoder_without_past_frames_has_no_window() -> None:
    decoder = random_decoder()
    decoder.config = replace(decoder.config, past_frames=0)
    with pytest.raises(ValueError, match="past_frames must be at least 1 to sample by swin, got 0"):
        chunk_sampler(decoder, "swin", 2)


def test_patches_of_several_frames_have_no_window() -> None:
    config = VideoDecoderConfig(latent_channels=LATENT_CHANNELS, latent_size=LATENT_SIZE, chunk_frames=2)
    decoder = VideoDecoder(config, TRANSFORMER | {"patch_size": (2, 2, 2)})
    with pytest.raises(ValueError, match="patch_size must be 1 frame long"):
        chunk_sampler(decoder, "swin", 2)


@torch.no_grad()
def test_autoregressive_is_sample_chunk() -> None:
    decoder, sigmas = random_decoder(window_chunks=2), sampling_sigmas(2, 3.0)
    script, sampler = random_script(random_decoder(), 2), chunk_sampler(decoder, None, 2)
    history, cache = sampler.begin(2), decoder.empty_cache(2)
    for number in range(2):
        given = script.chunk(number)
        past, state, noise = given["past"], given["latent_state"], given["noise"]
        expected = sample_chunk(decoder, cache, past, state, 0.5 * noise, sigmas)
        found, history = sampler.draw(history, past, state, noise, 0.5, sigmas)
        assert torch.equal(found, expected)
        cache = write_chunk(decoder, cache, expected, past, state)
        history = sampler.write(history, found, past, state)
    assert torch.equal(history.cache.keys, cache.keys)
    assert history.streams == {}


@torch.no_grad()
def test_swin_scales_the_noise_of_the_chunk_alone() -> None:
    decoder = trained_for_swin(chunk_frames=2)
    script, sampler = random_script(decoder, 1), chunk_sampler(decoder, None, 2)
    given, sigmas = script.chunk(0), sampler.sigmas(2)
    noise = torch.cat([given["noise"], given["condition_noise"]], dim=1)
    assert noise.shape[1] == sampler.num_noise_frames == 3
    found, history = sampler.draw(sampler.begin(2), given["past"], given["latent_state"], noise, 0.5, sigmas)
    scaled = given | {"noise": 0.5 * given["noise"]}
    swin = SwinConfig(stagger_space="sigma")
    expected, window = sample_swin_chunk(decoder, swin, SwinWindow.empty(decoder, 2, 1), **scaled, sigmas=sigmas)
    assert torch.equal(found, expected)
    assert all(torch.equal(history.streams[name], value) for name, value in window.streams().items())


def test_swin_leaves_the_other_cache_empty() -> None:
    sampler = chunk_sampler(random_decoder(window_chunks=3), "swin", 2)
    assert sampler.begin(2).cache.keys.numel() == 0


def test_config_is_read_back_from_json() -> None:
    config = VideoDecoderConfig(swin=SwinConfig(condition_sees="first_chunk", condition_sigma=0.1))
    assert VideoDecoderConfig.from_json(config.as_json()) == config
    assert VideoDecoderConfig.from_json({}) == VideoDecoderConfig()


def test_config_without_a_window_names_none() -> None:
    assert "swin" not in VideoDecoderConfig().as_json()
