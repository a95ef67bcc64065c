"""Chunks by Causal Swin-DPM, against the same without a cache."""

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from tests.decoder.decoders import random_decoder
from tests.decoder.windows import Script, random_script
from tests.tolerances import assert_near
from wm_gym.decoder.swin_config import ConditionSees, SwinConfig, swin_sigmas
from wm_gym.decoder.swin_pass import window_pass
from wm_gym.decoder.swin_sampling import sample_swin_chunk
from wm_gym.decoder.swin_window import SwinWindow
from wm_gym.decoder.video_decoder import VideoDecoder

SEES = get_args(ConditionSees)


def schedule(decoder: VideoDecoder, steps: int, swin: SwinConfig) -> list[float]:
    return swin_sigmas(steps, decoder.config.shift, swin.stagger_space)


@torch.no_grad()
def drawn(decoder: VideoDecoder, swin: SwinConfig, script: Script, steps: int) -> Tensor:
    """All chunks of a script, on the window."""
    window = SwinWindow.empty(decoder, script.past.shape[1], steps // 2 if swin.staggered else 0)
    chunks = []
    for number in range(len(script.past)):
        sigmas = schedule(decoder, steps, swin)
        clean, window = sample_swin_chunk(decoder, swin, window, **script.chunk(number), sigmas=sigmas)
        chunks.append(clean)
    return torch.stack(chunks)


@torch.no_grad()
def plain(decoder: VideoDecoder, swin: SwinConfig, script: Script, steps: int) -> Tensor:
    """The same by full masked passes: noisy chunks are kept in place of keys, and seen again beside the next chunk."""
    sigmas, half = schedule(decoder, steps, swin), steps // 2
    chunks: list[Tensor] = []
    shown = script.past[0]
    earlier: list[tuple[Tensor, Tensor]] = []  # what the last chunk was at each level of its second half
    for number in range(len(script.past)):
        given = script.chunk(number)
        past, state, noisy = given["past"], given["latent_state"], given["noise"]
        noisy_past = (1 - swin.condition_sigma) * past + swin.condition_sigma * given["condition_noise"]
        later, clean = [], noisy
        for step, (sigma, next_sigma) in enumerate(zip(sigmas[:-1], sigmas[1:], strict=True)):
            level = torch.full((len(noisy),), sigma, dtype=noisy.dtype)
            if number and swin.staggered and step < half:
                before, before_level = earlier[step]
                other = script.chunk(number - 1)
                window_past, base = shown, other["past"]
                both = torch.stack([before, noisy], 1), torch.stack([before_level, level], 1)
                states = torch.stack([other["latent_state"], state], 1)
            else:
                window_past, base, both, states = noisy_past, past, (noisy[:, None], level[:, None]), state[:, None]
            output = window_pass(decoder, swin, both[0], window_past, both[1], states)[:, -1]
            later.append((noisy, level))
            clean = decoder.clean(output, noisy, base, level)
            noisy = clean + (next_sigma / sigma) * (noisy - clean)
        earlier, shown = later[half:], noisy_past
        chunks.append(clean)
    return torch.stack(chunks)


@pytest.mark.parametrize("sees", SEES)
@pytest.mark.parametrize("space", ["index", "sigma"])
@pytest.mark.parametrize(("steps", "frames", "past_frames"), [(2, 1, 1), (6, 2, 2)])
def test_replayed_keys_equal_replayed_chunks(
    steps: int, frames: int, past_frames: int, space: str, sees: ConditionSees
) -> None:
    decoder = random_decoder(chunk_frames=frames, past_frames=past_frames, dtype=torch.float64)
    swin = SwinConfig(condition_sees=sees, stagger_space=space)  # type: ignore[arg-type]
    script = random_script(decoder)
    assert_near(drawn(decoder, swin, script, steps), plain(decoder, swin, script, steps))


def test_without_a_stagger_the_window_slides_over_plain_full_denoising() -> None:
    decoder, swin = random_decoder(chunk_frames=2, dtype=torch.float64), SwinConfig(staggered=False)
    script = random_script(decoder)
    alone = [plain(decoder, swin, Script(*(each[n : n + 1] for each in vars(script).values())), 4) for n in range(3)]
    assert_near(drawn(decoder, swin, script, 4), torch.cat(alone))


def test_only_the_first_chunk_goes_alone() -> None:
    decoder = random_decoder(dtype=torch.float64)
    script = random_script(decoder)
    on, off = (drawn(decoder, SwinConfig(staggered=staggered), script, 4) for staggered in (True, False))
    assert_near(on[0], off[0])
    assert (on[1:] - off[1:]).abs().amax(dim=(1, 2, 3, 4, 5)).min() > 1e-3


@pytest.mark.parametrize("name", ["past", "latent_state", "noise", "condition_noise"])
def test_a_later_chunk_cannot_change_an_earlier_one(name: str) -> None:
    decoder = random_decoder()
    script = random_script(decoder)
    other = getattr(script, name).clone()
    other[1] = -other[1]
    before, after = (drawn(decoder, SwinConfig(), each, 4) for each in (script, replace(script, **{name: other})))
    assert torch.equal(before[0], after[0])
    changed = (before - after).abs().amax(dim=(1, 2, 3, 4, 5))
    assert changed[1:].min() > 1e-5


def test_conditioning_noise_is_scaled_by_its_sigma() -> None:
    decoder, clean = random_decoder(), SwinConfig(condition_sigma=0.0)
    script = random_script(decoder)
    other = replace(script, condition_noise=-script.condition_noise)
    assert torch.equal(drawn(decoder, clean, script, 2), drawn(decoder, clean, other, 2))


@torch.no_grad()
def test_worlds_of_different_ages_equal_their_own_runs() -> None:
    decoder, swin = random_decoder(chunk_frames=2, dtype=torch.float64), SwinConfig()
    script, sigmas = random_script(decoder, num_chunks=3, n=3), swin_sigmas(4, decoder.config.shift, "index")
    windows, expected = [], []
    for row, age in enumerate((0, 1, 2)):
        window = SwinWindow.empty(decoder, 1, 2)
        for number in range(age):
            _, window = sample_swin_chunk(decoder, swin, window, **script.chunk(number, row), sigmas=sigmas)
        windows.append(window)
        expected.append(sample_swin_chunk(decoder, swin, window, **script.chunk(2, row), sigmas=sigmas))
    joined = SwinWindow.from_streams(
        {name: torch.cat([window.streams()[name] for window in windows]) for name in windows[0].streams()}
    )
    clean, after = sample_swin_chunk(decoder, swin, joined, **script.chunk(2), sigmas=sigmas)
    assert_near(clean, torch.cat([each for each, _ in expected]))
    for name, value in after.streams().items():
        together = torch.cat([window.streams()[name] for _, window in expected])
        if value.is_floating_point():
            assert_near(value, together)
    assert after.chunks.tolist() == [1, 1, 1]


def test_other_worlds_change_no_bit_whatever_their_age() -> None:
    decoder, swin = random_decoder(), SwinConfig()
    mine, other = (random_script(decoder, n=2, seed=seed) for seed in (0, 1))
    for name in vars(mine):
        getattr(other, name)[:, 0] = getattr(mine, name)[:, 0]
    sigmas = swin_sigmas(2, decoder.config.shift, "index")

    def second_chunk(script: Script, ages: tuple[int, int]) -> Tensor:
        with torch.no_grad():
            _, window = sample_swin_chunk(
                decoder, swin, SwinWindow.empty(decoder, 2, 1), **script.chunk(0), sigmas=sigmas
            )
            window = replace(window, chunks=torch.tensor(ages))
            return sample_swin_chunk(decoder, swin, window, **script.chunk(1), sigmas=sigmas)[0][0]

    assert torch.equal(second_chunk(mine, (1, 1)), second_chunk(other, (1, 0)))


@torch.no_grad()
def test_the_given_window_stays_as_it_is() -> None:
    decoder, swin = random_decoder(), SwinConfig()
    script, sigmas = random_script(decoder), swin_sigmas(2, decoder.config.shift, "index")
    _, window = sample_swin_chunk(decoder, swin, SwinWindow.empty(decoder, 2, 1), **script.chunk(0), sigmas=sigmas)
    before = {name: value.clone() for name, value in window.streams().items()}
    given: dict[str, Any] = script.chunk(1)
    noise = given["noise"].clone()
    sample_swin_chunk(decoder, swin, window, **given, sigmas=sigmas)
    assert all(torch.equal(value, before[name]) for name, value in window.streams().items())
    assert torch.equal(given["noise"], noise)


@torch.no_grad()
@pytest.mark.parametrize("steps", [2, 4, 10])
def test_a_window_keeps_its_levels_whatever_the_number_of_steps(steps: int) -> None:
    decoder, swin = random_decoder(), SwinConfig()
    script, window = random_script(decoder), SwinWindow.empty(decoder, 2, 2)
    for number in range(2):
        sigmas = swin_sigmas(steps, decoder.config.shift, "index")
        clean, window = sample_swin_chunk(decoder, swin, window, **script.chunk(number), sigmas=sigmas)
        assert clean.isfinite().all()
    assert window.num_levels == 2


def test_a_step_replays_its_own_level_or_the_nearest_before() -> None:
    decoder = random_decoder()
    window = SwinWindow.empty(decoder, 1, 2)
    window.keys[:, 1] = 1
    level = [[float(window.at(number, of).keys.flatten()[0]) for number in range(of)] for of in (1, 2, 5)]
    assert level == [[0], [0, 1], [0, 0, 0, 1, 1]]
