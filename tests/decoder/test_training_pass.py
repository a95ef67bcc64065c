"""What is compared with what when chunks are denoised to train on them."""

from collections.abc import Callable, Sequence
from typing import get_args

import pytest
import torch
from torch import Tensor

from tests.decoder.decoders import random_decoder, random_segment
from tests.tolerances import assert_near
from wm_gym.decoder.sigmas import shift_sigma
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.decoder.swin_pass import window_pass
from wm_gym.decoder.training_pass import Denoised, denoise_segment, denoise_windows
from wm_gym.decoder.video_decoder import PredictionTarget, VideoDecoder

SWIN = SwinConfig()


def draw_from(numbers: Sequence[Tensor]) -> Callable[[Callable[..., Tensor], tuple[int, ...]], Tensor]:
    """Hands out the given numbers, one tensor a call."""
    left = list(numbers)

    def draw(kind: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        value = left.pop(0)
        assert tuple(value.shape) == shape
        return value

    return draw


def windows_of(decoder: VideoDecoder, swin: SwinConfig, num_chunks: int, numbers: list[Tensor]) -> Denoised:
    segment = random_segment(decoder, batch_size=2, num_chunks=num_chunks)
    draw = draw_from(numbers)
    with torch.no_grad():
        rounds = torch.arange(num_chunks)
        return denoise_windows(decoder, swin, segment.noisy, segment.past, segment.latent_state, rounds, draw)


def numbers_of(decoder: VideoDecoder, num_chunks: int, slots: int = 2) -> list[Tensor]:
    segment = random_segment(decoder, batch_size=2, num_chunks=num_chunks)
    noise = torch.randn(2, slots * num_chunks, *segment.noisy.shape[2:])
    return [torch.rand(2, num_chunks, slots), noise, torch.randn(segment.past.shape)]


@torch.no_grad()
@pytest.mark.parametrize("target", get_args(PredictionTarget))
def test_segment_compares_the_network_at_the_drawn_levels(target: PredictionTarget) -> None:
    decoder = random_decoder(window_chunks=2, prediction_target=target)
    segment = random_segment(decoder, batch_size=2, num_chunks=3)
    uniform, noise = torch.rand(2, 3), torch.randn(segment.noisy.shape)
    sigmas = shift_sigma(uniform, decoder.config.shift)
    scale = sigmas[..., None, None, None, None]
    noisy = (1 - scale) * segment.noisy + scale * noise
    output = decoder(noisy, segment.past, sigmas, segment.latent_state)
    draw = draw_from([uniform, noise])
    found = denoise_segment(decoder, segment.noisy, segment.past, segment.latent_state, draw)
    clean = decoder.clean(output, noisy, segment.past, sigmas)
    wrong = output - (noise - segment.noisy) if target == "velocity" else clean - segment.noisy
    assert torch.equal(found.clean, clean)
    assert torch.equal(found.error, wrong.pow(2).mean(dim=3))
    assert (found.rounds.tolist(), bool(found.counts.all())) == ([0, 1, 2], True)


def test_every_round_comes_as_first_and_as_second_chunk() -> None:
    decoder = random_decoder()
    numbers = numbers_of(decoder, 3)
    numbers[0][:, 0, 0] = 0.4
    found = windows_of(decoder, SWIN, 3, numbers)
    assert found.rounds.tolist() == [0, 1, 1, 2, 2, 2]
    assert found.counts.int().tolist() == [[1, 1, 1, 1, 1, 0]] * 2


@torch.no_grad()
def test_a_window_is_that_of_its_round() -> None:
    decoder = random_decoder(chunk_frames=2, past_frames=2)
    numbers, segment = numbers_of(decoder, 3), random_segment(decoder, batch_size=2, num_chunks=3)
    found = windows_of(decoder, SWIN, 3, numbers)
    uniform, noise, condition_noise = numbers
    index = torch.stack([uniform[:, 1, 0] / 2, uniform[:, 1, 0] / 2 + 0.5], dim=1)
    sigmas = shift_sigma(index, decoder.config.shift)
    scale = sigmas[..., None, None, None, None]
    noisy = (1 - scale) * segment.noisy[:, 1:3] + scale * noise[:, 2:4]
    noisy_past = 0.945 * segment.past[:, 1] + 0.055 * condition_noise[:, 1]
    output = window_pass(decoder, SWIN, noisy, noisy_past, sigmas, segment.latent_state[:, 1:3])
    assert_near(found.clean[:, 2:4], segment.past[:, 1:2, -1:] + output)
    assert_near(found.error[:, 2:4], (found.clean[:, 2:4] - segment.noisy[:, 1:3]).pow(2).mean(dim=3))


def test_without_a_stagger_each_round_comes_once() -> None:
    decoder = random_decoder()
    found = windows_of(decoder, SwinConfig(staggered=False), 3, numbers_of(decoder, 3, slots=1))
    assert (found.rounds.tolist(), bool(found.counts.all())) == ([0, 1, 2], True)


def test_a_segment_of_one_round_is_a_first_chunk() -> None:
    decoder = random_decoder()
    numbers = numbers_of(decoder, 1)
    found = windows_of(decoder, SWIN, 1, numbers)
    assert (found.rounds.tolist(), found.counts.int().tolist()) == ([0, 0], [[1, 0], [1, 0]])


@pytest.mark.parametrize("staggered", [True, False])
def test_training_on_windows_lowers_their_loss(staggered: bool) -> None:
    """A tiny problem: the next chunk is the last frame plus a constant."""
    swin, decoder = SwinConfig(staggered=staggered), random_decoder()
    generator = torch.Generator().manual_seed(0)
    state = torch.zeros(8, 3, 3, 12)
    optimizer = torch.optim.Adam(decoder.parameters(), 3e-3)

    def draw(kind: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        return kind(shape, generator=generator)

    losses = []
    for _ in range(40):
        past = torch.randn(8, 3, 1, 4, 4, 6, generator=generator)
        past[:, 1], past[:, 2] = past[:, 0] + 0.5, past[:, 0] + 1.0
        found = denoise_windows(decoder, swin, past + 0.5, past, state, torch.arange(3), draw)
        loss = (found.error.mean(dim=(2, 3, 4)) * found.counts).sum() / found.counts.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
