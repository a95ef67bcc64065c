"""Texts are umT5's tokens with zeros behind them, as in Wan's pipeline."""

import pytest
import torch

from tests.pan.tiny_parts import TEXT_WIDTH, tiny_text_encoder, tiny_tokenizer
from tests.tolerances import assert_near
from wm_gym.pan.text_encoder import TextEncoder


def test_texts_are_the_models_tokens_and_then_zeros() -> None:
    encoder = TextEncoder(tiny_text_encoder(), tiny_tokenizer(), num_tokens=7)
    tokens = encoder(["open  the door ", "go"])
    assert tokens.shape == (2, 7, TEXT_WIDTH)
    for row, text in enumerate(("open the door", "go")):
        ids = torch.tensor([tiny_tokenizer()(text).input_ids])
        with torch.no_grad():
            expected = tiny_text_encoder()(input_ids=ids).last_hidden_state[0]
        assert expected.std() > 0.01
        assert_near(tokens[row, : len(expected)], expected)
        assert not tokens[row, len(expected) :].any()


def test_a_long_text_is_refused() -> None:
    encoder = TextEncoder(tiny_text_encoder(), tiny_tokenizer(), num_tokens=2)
    with pytest.raises(ValueError, match="at most 2 tokens of umT5, got 4"):
        encoder(["open the door"])
