"""The decoder is diffusers' own transformer, and its cached steps are its masked pass."""

import copy
import json
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from safetensors.torch import load_file

from tests.decoder.decoders import (
    LATENT_CHANNELS,
    LATENT_SIZE,
    TRANSFORMER,
    chunk_by_chunk,
    full_pass,
    random_decoder,
    random_segment,
    scatter,
)
from tests.tolerances import assert_near
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig

LAYOUTS = [(window, frames) for window in (1, 2, 3) for frames in (1, 2)]


def official_transformer() -> WanTransformer3DModel:
    torch.manual_seed(1)
    transformer = WanTransformer3DModel(**TRANSFORMER, in_channels=LATENT_CHANNELS, out_channels=LATENT_CHANNELS)
    scatter(transformer)
    return transformer.eval()


@torch.no_grad()
@pytest.mark.parametrize("frames", [1, 3])
def test_one_window_without_extras_equals_diffusers(frames: int) -> None:
    official = official_transformer()
    decoder = random_decoder(chunk_frames=frames, prediction_target="velocity", input_channels=("noisy",))
    decoder.transformer.load_state_dict(official.state_dict())
    segment = random_segment(decoder, batch_size=2, num_chunks=1)
    latents, timesteps = segment.noisy[:, 0].transpose(1, 2), 1000 * segment.sigmas[:, 0]
    (expected,) = official(latents, timesteps, segment.latent_state[:, 0], return_dict=False)
    assert expected.std() > 0.1
    assert_near(full_pass(decoder, segment)[:, 0], expected.transpose(1, 2))


@torch.no_grad()
def test_folder_saved_by_diffusers_loads_unchanged(tmp_path: Path) -> None:
    official = official_transformer()
    official.save_pretrained(tmp_path, safe_serialization=True)
    saved = json.loads((tmp_path / "config.json").read_text())
    config = VideoDecoderConfig(
        latent_channels=LATENT_CHANNELS, latent_size=LATENT_SIZE, chunk_frames=2, input_channels=("noisy",)
    )
    decoder = VideoDecoder(config, {key: value for key, value in saved.items() if key[0] != "_"})
    decoder.transformer.load_state_dict(load_file(tmp_path / "diffusion_pytorch_model.safetensors"))
    noisy, sigma = torch.randn(1, 2, LATENT_CHANNELS, *LATENT_SIZE), torch.tensor([0.7])
    latent_state = torch.randn(1, 3, TRANSFORMER["text_dim"])
    output, _ = decoder.step(decoder.empty_cache(1), noisy, noisy[:, :1], sigma, latent_state)
    (expected,) = official(noisy.transpose(1, 2), 1000 * sigma, latent_state, return_dict=False)
    assert_near(output, expected.transpose(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("window", "frames"), LAYOUTS)
def test_chunk_by_chunk_equals_the_masked_pass(window: int, frames: int, dtype: torch.dtype) -> None:
    decoder = random_decoder(window, frames, dtype=dtype)
    segment = random_segment(decoder, batch_size=2, num_chunks=6)
    assert_near(chunk_by_chunk(decoder, segment), full_pass(decoder, segment))


@pytest.mark.parametrize("place", [0, 1])
def test_every_past_frame_matters(place: int) -> None:
    decoder = random_decoder(past_frames=2)
    segment = random_segment(decoder, batch_size=1, num_chunks=2)
    before = full_pass(decoder, segment)
    segment.past[:, :, place] += 1
    after = full_pass(decoder, segment)
    assert_near(chunk_by_chunk(decoder, segment), after)
    assert (after - before).abs().max() > 1e-3


def test_masked_pass_sees_the_window_and_no_more() -> None:
    decoder = random_decoder(window_chunks=2)
    segment = random_segment(decoder, batch_size=1, num_chunks=6)
    before = full_pass(decoder, segment)
    segment.noisy[:, 1] += 1
    changed = (full_pass(decoder, segment) - before).abs().amax(dim=(0, 2, 3, 4, 5)) > 1e-6
    assert changed.tolist() == [False, True, True, True, False, False]  # two layers see one chunk further each


def test_a_chunk_reads_its_own_latent_state() -> None:
    decoder = random_decoder(window_chunks=1)
    segment = random_segment(decoder, batch_size=1, num_chunks=3)
    before = full_pass(decoder, segment)
    segment.latent_state[:, 1] += 1
    changed = (full_pass(decoder, segment) - before).abs().amax(dim=(0, 2, 3, 4, 5)) > 1e-6
    assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize("name", ["past", "noisy"])
def test_every_input_matters(name: str) -> None:
    decoder = random_decoder()
    segment = random_segment(decoder, batch_size=1, num_chunks=1)
    before = full_pass(decoder, segment)
    getattr(segment, name).add_(1)
    assert (full_pass(decoder, segment) - before).abs().max() > 1e-3


@torch.no_grad()
def test_worlds_at_different_fill_levels_equal_their_own_runs() -> None:
    decoder = random_decoder(window_chunks=3, dtype=torch.float64)
    segment = random_segment(decoder, batch_size=3, num_chunks=5)
    caches, outputs = [], []
    for row, past in enumerate((0, 1, 4)):  # empty, half full, full and slid
        cache = decoder.empty_cache(1)
        for number in range(past):
            _, cache = decoder.step(cache, *segment.rows(row).chunk(number))
        outputs.append(decoder.step(cache, *segment.rows(row).chunk(4))[0])
        caches.append(cache)
    joined = type(caches[0])(
        keys=torch.cat([cache.keys for cache in caches]),
        values=torch.cat([cache.values for cache in caches]),
        chunks=torch.cat([cache.chunks for cache in caches]),
    )
    output, after = decoder.step(joined, *segment.chunk(4))
    assert_near(output, torch.cat(outputs))
    assert after.chunks.tolist() == [1, 2, 2]


def test_other_worlds_in_the_batch_change_no_bit() -> None:
    decoder = random_decoder(window_chunks=2)
    mine, other = (random_segment(decoder, batch_size=3, num_chunks=4, seed=seed) for seed in (0, 1))
    for name in ("noisy", "past", "sigmas", "latent_state"):
        getattr(other, name)[1] = getattr(mine, name)[1]
    assert torch.equal(chunk_by_chunk(decoder, mine)[1], chunk_by_chunk(decoder, other)[1])


def test_a_world_alone_equals_itself_in_a_batch() -> None:
    decoder = random_decoder(window_chunks=2)
    segment = random_segment(decoder, batch_size=3, num_chunks=4)
    assert_near(chunk_by_chunk(decoder, segment.rows(1)), chunk_by_chunk(decoder, segment)[1:2])


@torch.no_grad()
def test_step_leaves_the_given_cache_as_it_is() -> None:
    decoder = random_decoder(window_chunks=3)
    segment = random_segment(decoder, batch_size=2, num_chunks=2)
    _, cache = decoder.step(decoder.empty_cache(2), *segment.chunk(0))
    keys, values = cache.keys.clone(), cache.values.clone()
    decoder.step(cache, *segment.chunk(1))
    assert torch.equal(cache.keys, keys)
    assert torch.equal(cache.values, values)
    assert cache.chunks.tolist() == [1, 1]


def test_a_pass_leaves_no_tensor_of_its_graph_behind() -> None:
    decoder = random_decoder(window_chunks=2)
    segment = random_segment(decoder, batch_size=1, num_chunks=2)
    decoder(segment.noisy, segment.past, segment.sigmas, segment.latent_state)
    copy.deepcopy(decoder)  # refuses tensors that belong to a graph


@torch.no_grad()
def test_cache_does_not_grow_over_hundreds_of_chunks() -> None:
    decoder = random_decoder(window_chunks=3)
    segment = random_segment(decoder, batch_size=1, num_chunks=8)
    cache = decoder.empty_cache(1)
    shape = cache.keys.shape
    for number in range(300):
        output, cache = decoder.step(cache, *segment.chunk(number % 8))
    assert cache.keys.shape == cache.values.shape == shape
    recent = segment.chunks(*(number % 8 for number in range(292, 300)))
    assert_near(output, chunk_by_chunk(decoder, recent)[:, -1])


@pytest.mark.parametrize("target", ["residual", "clean", "velocity"])
def test_clean_inverts_the_target(target: str) -> None:
    decoder = random_decoder(prediction_target=target, dtype=torch.float64)  # type: ignore[arg-type]
    segment = random_segment(decoder, batch_size=2, num_chunks=3)
    clean, noise, past, sigmas = torch.randn_like(segment.noisy), segment.noisy, segment.past, segment.sigmas
    scale = sigmas[..., None, None, None, None]
    noisy = (1 - scale) * clean + scale * noise
    perfect = {"residual": clean - past[:, :, -1:], "clean": clean, "velocity": noise - clean}[target]
    assert_near(decoder.clean(perfect, noisy, past, sigmas), clean)


def test_chunk_tokens_counts_patches() -> None:
    assert random_decoder(chunk_frames=2).chunk_tokens == 2 * 2 * 3


def test_input_channels_are_counted() -> None:
    assert random_decoder().transformer.config["in_channels"] == 2 * LATENT_CHANNELS + 2
    assert random_decoder(input_channels=("noisy",)).transformer.config["in_channels"] == LATENT_CHANNELS
