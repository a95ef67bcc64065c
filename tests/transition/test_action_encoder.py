"""Texts become a fixed number of tokens, whatever stands beside them."""

import torch

from tests.tolerances import assert_near
from wm_gym.transition.action_encoder import ActionEncoder, ActionEncoderConfig
from wm_gym.transition.tokenizer import tokenize, train_tokenizer

TOKENIZER = train_tokenizer(["turn left", "turn right"])
CONFIG = ActionEncoderConfig(vocabulary_size=TOKENIZER.get_vocab_size(), num_tokens=3, width=16)


def encoder() -> ActionEncoder:
    torch.manual_seed(0)
    built: ActionEncoder = ActionEncoder.build(CONFIG)
    return built.eval()


def encode(network: ActionEncoder, *texts: str) -> torch.Tensor:
    with torch.no_grad():
        tokens: torch.Tensor = network(*tokenize(TOKENIZER, list(texts)))
    return tokens


def test_every_text_becomes_the_same_number_of_tokens() -> None:
    assert encode(encoder(), "", "turn left", "x" * 256).shape == (3, 3, 16)
    assert encoder().num_tokens == 3


def test_padding_does_not_matter() -> None:
    network = encoder()
    alone = encode(network, "turn left")
    assert_near(encode(network, "turn left", "a text that is much longer than the first")[:1], alone)


def test_different_texts_become_different_tokens() -> None:
    tokens = encode(encoder(), "turn left", "turn right", "left turn", "")
    distances = (tokens[:, None] - tokens[None]).abs().amax(dim=(2, 3))
    assert (distances + torch.eye(4)).min() > 1e-3


def test_training_and_evaluation_agree() -> None:
    network = encoder()
    expected = encode(network, "turn left", "")
    assert_near(encode(network.train(), "turn left", ""), expected)


def test_gradient_reaches_the_used_embeddings_alone() -> None:
    network = encoder()
    ids, real = tokenize(TOKENIZER, ["turn left", "no"])
    network(ids, real).square().sum().backward()
    assert network.embedding.weight.grad is not None
    used = network.embedding.weight.grad.abs().amax(dim=1) > 0
    assert sorted(used.nonzero().flatten().tolist()) == sorted(set(ids[real].tolist()))
