"""Who sees whom in a window, and that a chunk on a cache equals the masked pass."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch import Tensor

from tests.decoder.decoders import random_decoder
from tests.decoder.windows import Windows, random_windows
from tests.tolerances import assert_near
from wm_gym.decoder.chunk_attention import ChunkCache
from wm_gym.decoder.swin_config import ConditionSees, SwinConfig
from wm_gym.decoder.swin_pass import slot_mask, slot_pass, window_mask, window_pass
from wm_gym.decoder.video_decoder import VideoDecoder

SEES = get_args(ConditionSees)


def masked(decoder: VideoDecoder, swin: SwinConfig, windows: Windows) -> Tensor:
    with torch.no_grad():
        return window_pass(decoder, swin, windows.noisy, windows.noisy_past, windows.sigmas, windows.latent_state)


@torch.no_grad()
def cached(decoder: VideoDecoder, swin: SwinConfig, windows: Windows) -> Tensor:
    """The first chunk alone, then the second beside what it left."""
    past, none = windows.noisy_past, torch.zeros_like(windows.noisy_past)
    first, written = slot_pass(
        decoder, swin, windows.noisy[:, 0], past, past, windows.sigmas[:, 0], windows.latent_state[:, 0]
    )
    keys, values = (torch.stack([layer[part] for layer in written], dim=1) for part in (0, 1))
    count = torch.ones(len(past), dtype=torch.int64)
    cache = ChunkCache(keys=keys, values=values, chunks=count)
    second, _ = slot_pass(
        decoder,
        swin,
        windows.noisy[:, 1],
        none,  # its own conditioning frame is hidden
        past,
        windows.sigmas[:, 1],
        windows.latent_state[:, 1],
        cache,
        count > 0,
    )
    return torch.stack([first, second], dim=1)


@pytest.mark.parametrize(
    ("sees", "expected"),
    [
        ("itself", [[1, 0, 0, 0, 0], *[[1, 1, 1, 0, 0]] * 2, *[[1, 1, 1, 1, 1]] * 2]),
        ("first_chunk", [[1, 1, 1, 0, 0], *[[1, 1, 1, 0, 0]] * 2, *[[1, 1, 1, 1, 1]] * 2]),
    ],
)
def test_window_mask_of_one_and_two_tokens(sees: ConditionSees, expected: list[list[int]]) -> None:
    assert window_mask(1, 2, 2, sees, torch.device("cpu"))[0, 0].int().tolist() == expected


def test_slot_mask_shows_a_chunk_the_cached_window_or_its_own_frame() -> None:
    mask = slot_mask(1, 1, "itself", torch.tensor([True, False]))[:, 0].int().tolist()
    assert mask == [[[0, 0, 1, 0], [1, 1, 0, 1]], [[0, 0, 1, 0], [0, 0, 1, 1]]]


@pytest.mark.parametrize("sees", SEES)
@pytest.mark.parametrize(("frames", "past_frames"), [(1, 1), (3, 1), (2, 2)])
def test_a_chunk_on_the_cache_equals_the_masked_pass(frames: int, past_frames: int, sees: ConditionSees) -> None:
    decoder = random_decoder(chunk_frames=frames, past_frames=past_frames, dtype=torch.float64)
    swin, windows = SwinConfig(condition_sees=sees), random_windows(decoder)
    expected = masked(decoder, swin, windows)
    assert expected.std() > 0.1
    assert_near(cached(decoder, swin, windows), expected)


@pytest.mark.parametrize("sees", SEES)
def test_the_second_chunk_cannot_change_the_first(sees: ConditionSees) -> None:
    decoder, swin = random_decoder(chunk_frames=2), SwinConfig(condition_sees=sees)
    windows = random_windows(decoder)
    before = masked(decoder, swin, windows)
    for name in ("noisy", "sigmas", "latent_state"):
        other = getattr(windows, name).clone()
        other[:, 1] = other[:, 1] / 2
        after = masked(decoder, swin, replace(windows, **{name: other}))
        assert torch.equal(after[:, 0], before[:, 0]), name
        assert (after[:, 1] - before[:, 1]).abs().max() > 1e-3, name


@pytest.mark.parametrize("name", ["noisy", "sigmas", "latent_state"])
def test_the_first_chunk_changes_the_second(name: str) -> None:
    decoder, swin = random_decoder(chunk_frames=2), SwinConfig()
    windows = random_windows(decoder)
    other = getattr(windows, name).clone()
    other[:, 0] = other[:, 0] / 2
    change = masked(decoder, swin, replace(windows, **{name: other})) - masked(decoder, swin, windows)
    assert change[:, 1].abs().max() > 1e-4


def test_the_conditioning_frame_reaches_both_chunks_by_attention_alone() -> None:
    decoder = random_decoder(prediction_target="velocity", input_channels=("noisy",))
    windows = random_windows(decoder)
    other = replace(windows, noisy_past=-windows.noisy_past)
    change = masked(decoder, SwinConfig(), other) - masked(decoder, SwinConfig(), windows)
    assert change.abs().amax(dim=(0, 2, 3, 4, 5)).min() > 1e-4


def test_what_the_conditioning_frame_sees_matters() -> None:
    decoder = random_decoder()
    windows = random_windows(decoder)
    itself, chunk = (masked(decoder, SwinConfig(condition_sees=sees), windows) for sees in SEES)
    assert (itself - chunk).abs().max() > 1e-4


def test_its_noise_level_is_told_to_the_network() -> None:
    decoder = random_decoder()
    windows = random_windows(decoder)
    low, high = (masked(decoder, SwinConfig(condition_sigma=sigma), windows) for sigma in (0.055, 0.5))
    assert (low - high).abs().max() > 1e-4


@torch.no_grad()
@pytest.mark.parametrize("sees", SEES)
def test_places_may_start_anywhere(sees: ConditionSees) -> None:
    """A chunk that is not beside the cached one stands at other places with it than without, and sees the same."""
    decoder, swin = random_decoder(chunk_frames=2, dtype=torch.float64), SwinConfig(condition_sees=sees)
    windows = random_windows(decoder)
    past = windows.noisy_past
    given = (windows.noisy[:, 0], past, past, windows.sigmas[:, 0], windows.latent_state[:, 0])
    alone, written = slot_pass(decoder, swin, *given)
    keys, values = (torch.stack([layer[part] for layer in written], dim=1) for part in (0, 1))
    cache = ChunkCache(keys=keys, values=values, chunks=torch.zeros(2, dtype=torch.int64))
    moved, _ = slot_pass(decoder, swin, *given, cache, torch.tensor([False, False]))
    assert_near(moved, alone)
