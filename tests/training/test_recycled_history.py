"""Error recycling: whose answers stand in the history, and where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_near
from tests.worlds import tiny_dataset, tiny_world_model
from wm_gym.decoder.swin_config import SwinConfig
from wm_gym.training.recycled_history import recycled_history
from wm_gym.training.trained_sampling import train_for
from wm_gym.world_model import WorldModel

TEXTS = (("go left", "go down", "wait"), ("go down", "", "go left"))


@pytest.fixture(params=["autoregressive", "swin"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> WorldModel:
    model = tiny_world_model(tmp_path)
    train_for(model, request.param, SwinConfig(condition_sigma=0.0))  # no noise but what a test draws
    return model


def given(model: WorldModel, folder: Path) -> tuple[Tensor, Tensor, Tensor]:
    """History, past and actions of two segments of three rounds."""
    dataset = tiny_dataset(folder)
    frames = torch.stack([torch.from_numpy(dataset[index].observations[:3]) for index in (0, 1)])
    actions = torch.stack([model.encode_actions(texts) for texts in TEXTS])
    with torch.no_grad():
        history = model.autoencoder.encode(frames)
    return history, history, actions


def zeros(kind: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
    """No noise, and every chunk chosen."""
    return torch.zeros(shape)


def test_answers_are_those_of_a_step_from_the_true_history(model: WorldModel, tmp_path: Path) -> None:
    history, past, actions = given(model, tmp_path)
    found = recycled_history(model, history, past, actions, 1.0, zeros)
    assert torch.equal(found[:, 0], history[:, 0])
    dataset = tiny_dataset(tmp_path)
    state = model.reset(np.stack([dataset[index].observations[0] for index in (0, 1)]), seeds=[0, 1])
    after, _ = model.step(state, [texts[0] for texts in TEXTS], temperature=0.0)
    assert_near(found[:, 1], after.latents)


def test_no_chunk_is_replaced_at_a_fraction_of_none(model: WorldModel, tmp_path: Path) -> None:
    history, past, actions = given(model, tmp_path)
    assert torch.equal(recycled_history(model, history, past, actions, 0.0, zeros), history)


def test_a_chunk_is_replaced_by_chance(model: WorldModel, tmp_path: Path) -> None:
    history, past, actions = given(model, tmp_path)

    def draw(kind: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        values = torch.zeros(shape)
        if kind is torch.rand:
            values[1] = 0.9
        return values

    found = recycled_history(model, history, past, actions, 0.5, draw)
    assert (found[0, 1:] - history[0, 1:]).abs().amax(dim=(1, 2, 3, 4)).min() > 1e-3
    assert torch.equal(found[1], history[1])


def test_a_single_round_has_no_history_to_replace(model: WorldModel, tmp_path: Path) -> None:
    history, past, actions = given(model, tmp_path)
    found = recycled_history(model, history[:, :1], past[:, :1], actions[:, :1], 1.0, zeros)
    assert torch.equal(found, history[:, :1])
