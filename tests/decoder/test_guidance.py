"""Guidance weighs what the decoder predicts under several conditions."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_near
from tests.worlds import tiny_size
from wm_gym.decoder.guidance import Condition, Guidance, sample_weighted_chunk
from wm_gym.decoder.sampling import sample_chunk
from wm_gym.decoder.video_decoder import VideoDecoder, VideoDecoderConfig
from wm_gym.training.presets import _transformer

SIGMAS = [1.0, 0.6, 0.0]


@pytest.fixture(scope="module")
def decoder() -> VideoDecoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = VideoDecoderConfig(latent_channels=3, latent_size=(2, 2), window_chunks=2)
        return VideoDecoder(config, _transformer(tiny_size())).eval().requires_grad_(False)


def inputs(decoder: VideoDecoder) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(1)
    return {
        "decoder": decoder,
        "cache": decoder.empty_cache(2),
        "past": torch.randn(2, 1, 3, 2, 2, generator=generator),
        "noise": torch.randn(2, 1, 3, 2, 2, generator=generator),
        "sigmas": SIGMAS,
    }


def guided_chunk(given: dict[str, Any], *conditions: tuple[float, Tensor]) -> Tensor:
    """Sampled under conditions that all have the same past."""
    rest = {name: value for name, value in given.items() if name != "past"}
    listed = [Condition(weight=weight, past=given["past"], latent_state=state) for weight, state in conditions]
    return sample_weighted_chunk(**rest, conditions=listed)


def latent_state(seed: int) -> Tensor:
    return torch.randn(2, 3, 24, generator=torch.Generator().manual_seed(seed))


def test_one_condition_is_sampling_without_guidance(decoder: VideoDecoder) -> None:
    guided = guided_chunk(inputs(decoder), (1.0, latent_state(0)))
    plain = sample_chunk(**inputs(decoder), latent_state=latent_state(0))
    assert_near(guided, plain)


def test_equal_conditions_change_nothing_whatever_the_scales(decoder: VideoDecoder) -> None:
    weights = Guidance(action_scale=3.0, state_scale=2.0).weights
    guided = guided_chunk(inputs(decoder), *((each, latent_state(0)) for each in weights))
    plain = sample_chunk(**inputs(decoder), latent_state=latent_state(0))
    assert_near(guided, plain)


def test_each_denoising_step_is_the_weighted_sum_of_the_predictions(decoder: VideoDecoder) -> None:
    given = inputs(decoder) | {"sigmas": [1.0, 0.0]}
    conditions = [(2.5, latent_state(0)), (-1.5, latent_state(1))]
    guided = guided_chunk(given, *conditions)
    each = [sample_chunk(**given, latent_state=state) for _, state in conditions]
    assert_near(guided, 2.5 * each[0] - 1.5 * each[1])


@pytest.mark.parametrize(
    ("scales", "weights"),
    [
        ({}, (1, 0, 0)),
        ({"action_scale": 3.0}, (3, -2, 0)),
        ({"action_scale": 2.0, "state_scale": 2.0}, (2, 0, -1)),
        ({"action_scale": 0.0, "state_scale": 0.0}, (0, 0, 1)),
    ],
)
def test_weights_of_the_three_predictions(scales: dict[str, float], weights: tuple[float, ...]) -> None:
    assert Guidance(**scales).weights == weights
    assert sum(Guidance(**scales).weights) == 1


@pytest.mark.parametrize("scale", [-0.1, math.nan, math.inf])
@pytest.mark.parametrize("name", ["action_scale", "state_scale"])
def test_scales_out_of_range_are_refused(name: str, scale: float) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and finite, got {scale}; 1 is off"):
        Guidance(**{name: scale})
