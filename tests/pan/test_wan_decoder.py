"""The PAN-scale decoder is diffusers' transformer with a second stream, and its cached steps are its masked pass."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.decoder.decoders import make_rotary_exact
from tests.pan.tiny_parts import LATENT_CHANNELS, STATE_WIDTH, TEXT_WIDTH, scatter, tiny_transformer
from tests.tolerances import assert_near
from wm_gym.pan.wan_decoder import Conditions, WanDecoder, WanDecoderConfig

LATENT_SIZE = (4, 6)
CONFIG = WanDecoderConfig(latent_size=LATENT_SIZE, chunk_latents=2, window_chunks=3, shift=5.0)


def decoder(window_chunks: int = 3, *, trained: bool = True) -> WanDecoder:
    model = WanDecoder(tiny_transformer(), replace(CONFIG, window_chunks=window_chunks), STATE_WIDTH)
    if trained:
        scatter(model.stream, seed=1)
    return model.eval()


def random_segment(chunks: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Noisy latents, noise levels, texts and latent states."""
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(batch, chunks, 2, LATENT_CHANNELS, *LATENT_SIZE, generator=generator)
    sigmas = torch.rand(batch, chunks, generator=generator)
    text = torch.randn(batch, chunks, 5, TEXT_WIDTH, generator=generator)
    return noisy, sigmas, text, torch.randn(batch, chunks, 3, STATE_WIDTH, generator=generator)


@torch.no_grad()
def test_untrained_it_is_the_official_transformer() -> None:
    noisy, sigmas, text, state = (tensor[:, 0] for tensor in random_segment(1))
    (expected,) = tiny_transformer()(noisy.transpose(1, 2), 1000 * sigmas, text, return_dict=False)
    assert expected.std() > 0.1
    model = decoder(window_chunks=1, trained=False)
    for conditions in (Conditions(text, state), Conditions(text, None)):
        output, _ = model.step(model.empty_cache(2), noisy, sigmas, conditions)
        assert_near(output, expected.transpose(1, 2))


@torch.no_grad()
def test_the_stream_starts_as_a_copy_of_the_text_attention() -> None:
    model = decoder(trained=False)
    for block, added in zip(model.transformer.blocks, model.stream.copies, strict=True):
        own, copied = block.attn2.state_dict(), added.attention.state_dict()
        assert own.keys() == copied.keys() and all(torch.equal(own[name], copied[name]) for name in own)
        assert not any(parameter.any() for parameter in added.output.parameters())
        assert added.attention.to_q.weight.data_ptr() != block.attn2.to_q.weight.data_ptr()


@torch.no_grad()
def test_the_stream_adds_what_the_text_attention_would_read_from_it() -> None:
    """With an identity at its end, a stream that reads the text again doubles the text cross-attention."""
    model = decoder(window_chunks=1, trained=False)
    noisy, sigmas, text, _ = (tensor[:, 0] for tensor in random_segment(1))
    for added in model.stream.copies:
        torch.nn.init.eye_(added.output.weight)
    embedded = model.transformer.condition_embedder.text_embedder(text)
    torch.nn.init.eye_(model.stream.projection.weight)  # STATE_WIDTH is the transformer's width
    torch.nn.init.zeros_(model.stream.projection.bias)
    output, _ = model.step(model.empty_cache(2), noisy, sigmas, Conditions(text, embedded))
    doubled = tiny_transformer()
    for block in doubled.blocks:
        block.attn2.to_out[0].weight *= 2
        block.attn2.to_out[0].bias *= 2
    (expected,) = doubled(noisy.transpose(1, 2), 1000 * sigmas, text, return_dict=False)
    assert_near(output, expected.transpose(1, 2))


@torch.no_grad()
@pytest.mark.parametrize("window", [1, 2, 3])
def test_chunk_by_chunk_equals_the_masked_pass(window: int) -> None:
    model = decoder(window).double()
    make_rotary_exact(cast(Any, model))
    noisy, sigmas, text, state = (tensor.double() for tensor in random_segment(5))
    cache, outputs = model.empty_cache(2), []
    for number in range(5):
        conditions = Conditions(text[:, number], state[:, number])
        output, cache = model.step(cache, noisy[:, number], sigmas[:, number], conditions)
        outputs.append(output)
    assert_near(torch.stack(outputs, dim=1), model(noisy, sigmas, text, state))


@torch.no_grad()
@pytest.mark.parametrize("place", [2, 3])
def test_a_chunk_reads_its_own_text_and_latent_state(place: int) -> None:
    model = decoder(window_chunks=1)
    segment = random_segment(3)
    before = model(*segment)
    segment[place][:, 1] += 1
    changed = (model(*segment) - before).abs().amax(dim=(0, 2, 3, 4, 5)) > 1e-6
    assert changed.tolist() == [False, True, False]


@torch.no_grad()
def test_a_pass_leaves_nothing_behind() -> None:
    model = decoder()
    noisy, sigmas, text, state = (tensor[:, 0] for tensor in random_segment(1))
    cache = model.empty_cache(2)
    without, _ = model.step(cache, noisy, sigmas, Conditions(text, None))
    with_state, _ = model.step(cache, noisy, sigmas, Conditions(text, state))
    again, _ = model.step(cache, noisy, sigmas, Conditions(text, None))
    assert torch.equal(again, without)
    assert (with_state - without).abs().max() > 1e-3


def test_the_stream_learns_from_its_first_step() -> None:
    model = decoder(trained=False)
    model(*random_segment(2)).pow(2).mean().backward()
    gradients = [added.output.weight.grad for added in model.stream.copies]
    assert all(gradient is not None and gradient.abs().max() > 0 for gradient in gradients)


def test_a_transformer_of_another_task_is_refused() -> None:
    with pytest.raises(ValueError, match="must be one of text-to-video.*got 9 and 4"):
        WanDecoder(tiny_transformer(in_channels=9), CONFIG, STATE_WIDTH)
    with pytest.raises(ValueError, match=r"patches of \(1, 2, 2\).*\(2, 3, 6\)"):
        WanDecoder(tiny_transformer(), replace(CONFIG, latent_size=(3, 6)), STATE_WIDTH)
