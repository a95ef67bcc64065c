"""`ActionTokens` computes the tokens of a text once, and forgets when it is told to or has too many."""

from typing import Any

import numpy as np
import pytest
import torch

from tests.worlds import tiny_general_model
from wm_gym import action_tokens
from wm_gym.action_tokens import ActionTokens
from wm_gym.actions import Action
from wm_gym.world_model import WorldModel


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> WorldModel:
    return tiny_general_model(tmp_path_factory.mktemp("data")).eval()


@pytest.fixture
def read_texts(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that the language model has read."""
    texts: list[str] = []
    read = model.reader.read

    def listening(new: list[str]) -> Any:
        texts.extend(new)
        return read(new)

    monkeypatch.setattr(model.reader, "read", listening)
    return texts


def encode(tokens: ActionTokens, model: WorldModel, *actions: Action) -> torch.Tensor:
    return tokens.encode(actions, model.reader, model.action_encoder, model.device)


def test_a_text_is_read_once_until_it_is_forgotten(model: WorldModel, read_texts: list[str]) -> None:
    tokens = ActionTokens()
    first = encode(tokens, model, "go left", "", "go left")
    assert torch.equal(encode(tokens, model, "go left"), first[:1])
    assert torch.equal(first[0], first[2])
    assert sorted(read_texts) == ["", "go left"]
    tokens.clear()
    encode(tokens, model, "go left")
    assert sorted(read_texts) == ["", "go left", "go left"]


def test_more_texts_than_are_kept_are_still_encoded(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = encode(ActionTokens(), model, "go left", "go right", "wait")
    monkeypatch.setattr(action_tokens, "CACHE_SIZE", 2)
    tokens = ActionTokens()
    encode(tokens, model, "go left", "go right")
    assert torch.equal(encode(tokens, model, "go left", "wait"), expected[[0, 2]])
    assert torch.equal(encode(tokens, model, "go left", "go right", "wait"), expected)


def test_numbers_are_encoded_beside_texts(model: WorldModel) -> None:
    numbers = np.array([0.5, -0.5], np.float32)
    both = encode(ActionTokens(), model, "go left", numbers)
    assert torch.equal(both[0], encode(ActionTokens(), model, "go left")[0])
    assert torch.equal(both[1], encode(ActionTokens(), model, numbers)[0])
    assert (both[0] - both[1]).abs().max() > 1e-3
