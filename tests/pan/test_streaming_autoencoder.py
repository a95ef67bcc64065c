"""The streaming autoencoder is diffusers' own, chunk by chunk."""

import pytest
import torch
from torch import Tensor

from tests.pan.tiny_parts import LATENT_CHANNELS, tiny_vae
from tests.tolerances import assert_near
from wm_gym.pan.streaming_autoencoder import FeatureCache, StreamingAutoencoder


def autoencoder(dtype: torch.dtype = torch.float32) -> StreamingAutoencoder:
    return StreamingAutoencoder(tiny_vae()).to(dtype)


def random_frames(batch: int, frames: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, frames, 16, 24, 3), generator=generator, dtype=torch.uint8)


def random_latents(batch: int, latents: int, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, latents, LATENT_CHANNELS, 2, 3, generator=generator, dtype=dtype)


def encode_by(model: StreamingAutoencoder, frames: Tensor, sizes: list[int]) -> tuple[Tensor, FeatureCache]:
    cache: FeatureCache = {}
    parts = []
    for chunk in frames.split(sizes, dim=1):
        latents, cache = model.encode(cache, chunk)
        parts.append(latents)
    return torch.cat(parts, dim=1), cache


def decode_by(model: StreamingAutoencoder, latents: Tensor, sizes: list[int]) -> tuple[Tensor, FeatureCache]:
    cache: FeatureCache = {}
    parts = []
    for chunk in latents.split(sizes, dim=1):
        pixels, cache = model.decode_pixels(cache, chunk)
        parts.append(pixels)
    return torch.cat(parts, dim=1), cache


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[9], [1, 4, 4], [5, 4]])
def test_chunks_encode_as_the_whole_video(sizes: list[int]) -> None:
    dtype = torch.float64
    model, frames = autoencoder(dtype), random_frames(2, 9)
    whole = model.vae.encode(frames.movedim(-1, 1).to(dtype) / 127.5 - 1).latent_dist.mode()
    mean, std = (torch.tensor(model.vae.config[name], dtype=dtype) for name in ("latents_mean", "latents_std"))
    expected = ((whole.movedim(1, -1) - mean) / std).movedim(-1, 2)
    assert expected.std() > 0.1
    assert_near(encode_by(model, frames, sizes)[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("sizes", [[4], [1, 1, 1, 1], [2, 2], [1, 3]])
def test_chunks_decode_as_the_whole_video(sizes: list[int]) -> None:
    dtype = torch.float64
    model, latents = autoencoder(dtype), random_latents(2, 4, dtype)
    mean, std = (torch.tensor(model.vae.config[name], dtype=dtype) for name in ("latents_mean", "latents_std"))
    expected = model.vae.decode((latents.movedim(2, -1) * std + mean).movedim(-1, 1)).sample.transpose(1, 2)
    assert 0.1 < expected.std() and expected.abs().lt(1).float().mean() > 0.2, "not all clipped"
    pixels, _ = decode_by(model, latents, sizes)
    assert pixels.shape[1] == 13
    assert_near(pixels, expected)


def test_chunks_in_float32_differ_by_its_rounding() -> None:
    model, latents = autoencoder(), random_latents(1, 4)
    whole, _ = decode_by(model, latents, [4])
    assert (decode_by(model, latents, [1, 2, 1])[0] - whole).abs().max() < 1e-4  # pixels are in [-1, 1]


def test_the_cache_matters() -> None:
    model, latents = autoencoder(), random_latents(1, 3)
    _, cache = model.decode_pixels({}, latents[:, :2])
    _, other = model.decode_pixels({}, 2 * latents[:, :2])
    after = [model.decode_pixels(past, latents[:, 2:])[0] for past in (cache, other)]
    assert (after[0] - after[1]).abs().max() > 1e-3


def test_a_call_leaves_its_cache_as_it_was() -> None:
    model, frames = autoencoder(), random_frames(1, 13)
    for advance, first, second in (
        (model.encode, frames[:, :5], frames[:, 5:]),
        (model.decode_pixels, random_latents(1, 2), random_latents(1, 2)),
    ):
        _, cache = advance({}, first)
        before = {name: tensor.clone() for name, tensor in cache.items()}
        once, after = advance(cache, second)
        twice, _ = advance(cache, second)
        assert torch.equal(once, twice)
        assert all(torch.equal(cache[name], before[name]) for name in before)
        assert cache.keys() == after.keys() and any(not torch.equal(cache[name], after[name]) for name in cache)


def test_worlds_of_a_batch_can_be_chosen_from_the_cache() -> None:
    model, latents = autoencoder(torch.float64), random_latents(3, 4, torch.float64)
    _, cache = model.decode_pixels({}, latents[:, :1])  # one latent: the upsamplers hold marks
    rows = torch.tensor([2, 0])
    chosen = {name: tensor[rows] for name, tensor in cache.items()}
    both, _ = model.decode_pixels(cache, latents[:, 1:])
    assert_near(model.decode_pixels(chosen, latents[rows, 1:])[0], both[rows])


def test_shapes_of_the_cache_stay_after_the_second_latent() -> None:
    model = autoencoder()
    shapes = []
    for sizes in ([2], [2, 1], [2, 1, 1]):
        _, cache = decode_by(model, random_latents(1, sum(sizes)), sizes)
        shapes.append({name: tuple(tensor.shape) for name, tensor in cache.items()})
    assert shapes[0] == shapes[1] == shapes[2]


def test_frames_are_bytes_around_the_pixels() -> None:
    model, latents = autoencoder(), random_latents(1, 2)
    frames, _ = model.decode({}, latents)
    pixels, _ = model.decode_pixels({}, latents)
    assert frames.shape == (1, 5, 16, 24, 3) and frames.dtype == torch.uint8
    assert (frames.movedim(-1, 2) / 127.5 - 1 - pixels).abs().max() < 1 / 127


def test_bfloat16_stays_near_float32() -> None:
    latents = random_latents(1, 3)
    exact, _ = autoencoder().decode_pixels({}, latents)
    rough, _ = autoencoder(torch.bfloat16).decode_pixels({}, latents)
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - exact).abs().mean() < 0.05


@pytest.mark.parametrize(("seen", "frames"), [(0, 4), (0, 6), (5, 1), (5, 6)])
def test_a_wrong_number_of_frames_is_refused(seen: int, frames: int) -> None:
    model = autoencoder()
    cache = model.encode({}, random_frames(1, seen))[1] if seen else {}
    with pytest.raises(ValueError, match=f"frames must be .*4 n .*got {frames}"):
        model.encode(cache, random_frames(1, frames))


def test_an_autoencoder_with_another_folding_is_refused() -> None:
    with pytest.raises(ValueError, match="temperal_downsample .* must fold 4 frames"):
        StreamingAutoencoder(tiny_vae(temperal_downsample=[False, False, True]))
