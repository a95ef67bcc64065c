"""Texts and numbers become equally many tokens, and phrasings never trained on are understood."""

import pytest
import torch
from torch import Tensor, nn

from tests.tolerances import assert_near
from wm_gym.transition.language import LanguageModel
from wm_gym.transition.language_action_encoder import LanguageActionEncoder, LanguageActionEncoderConfig

CONFIG = LanguageActionEncoderConfig(feature_width=24, width=16, num_text_tokens=3, max_controls=3)
NAN = torch.nan


def encoder() -> LanguageActionEncoder:
    torch.manual_seed(0)
    built: LanguageActionEncoder = LanguageActionEncoder.build(CONFIG)
    return built.eval()


def random_texts(*lengths: int) -> tuple[Tensor, Tensor]:
    """Random features, anything but zero in the padding."""
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(len(lengths), max(lengths), CONFIG.feature_width, generator=generator)
    return features, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_texts_and_numbers_become_equally_many_tokens() -> None:
    network = encoder()
    assert (network.num_tokens, network.max_controls) == (4, 3)
    assert network(*random_texts(1, 7)).shape == (2, 4, 16)
    assert network.encode_controls(torch.zeros(5, 2)).shape == (5, 4, 16)


def test_padding_does_not_matter() -> None:
    network, (features, real) = encoder(), random_texts(2, 7)
    assert_near(network(features, real)[:1], network(features[:1, :2], real[:1, :2]))
    assert_near(network(features[:1], real[:1]), network(features[:1, :2], real[:1, :2]))


def test_different_texts_become_different_tokens() -> None:
    tokens = encoder()(*random_texts(3, 3, 4))[:, :3]
    assert ((tokens[:, None] - tokens[None]).abs().amax(dim=(2, 3)) + torch.eye(3)).min() > 1e-2


def test_texts_share_the_token_of_no_numbers() -> None:
    network = encoder()
    tokens = network(*random_texts(3, 5))
    assert torch.equal(tokens[:, 3], network.no_controls.expand(2, -1))


def test_numbers_share_the_tokens_of_no_text() -> None:
    network = encoder()
    tokens = network.encode_controls(torch.tensor([[0.0, 1.0], [-1.0, 0.5]]))
    assert torch.equal(tokens[:, :3], network.no_text.expand(2, -1, -1))
    assert (tokens[0, 3] - tokens[1, 3]).abs().max() > 1e-2


def test_numbers_that_a_world_does_not_take_are_no_zeros() -> None:
    network = encoder()
    two, padded, three = (
        network.encode_controls(torch.tensor([values])) for values in ([0.5, -1.0], [0.5, -1.0, NAN], [0.5, -1.0, 0.0])
    )
    assert torch.equal(two, padded)
    assert (two - three).abs().max() > 1e-2


def test_too_many_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 3, got 4"):
        encoder().encode_controls(torch.zeros(1, 4))


def test_features_are_dropped_in_training_alone() -> None:
    network, texts = encoder(), random_texts(4)
    assert torch.equal(network(*texts), network(*texts))
    network.train()
    assert (network(*texts) - network(*texts)).abs().max() > 1e-2


def test_gradient_reaches_every_parameter() -> None:
    network = encoder()
    text, numbers = network(*random_texts(2, 3)), network.encode_controls(torch.tensor([[0.3, -0.2, NAN]]))
    (text.square().sum() + numbers.square().sum()).backward()
    assert [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0] == []


TRAINED: dict[str, tuple[str, ...]] = {
    "left": ("turn left", "rotate to the left", "go left", "left", "face left", "spin counterclockwise", "west"),
    "right": ("turn right", "rotate to the right", "go right", "right", "face right", "spin clockwise", "east"),
    "forward": ("walk forward", "go ahead", "step forward", "advance", "keep going straight", "forward", "onward"),
    "grab": ("pick it up", "take the key", "grab the ball", "lift the box", "collect it", "get that thing", "seize it"),
    "wait": ("wait", "do nothing", "", "stand still", "pause", "sing a song", "stay where you are"),
}
UNSEEN: dict[str, tuple[str, ...]] = {
    "left": ("veer leftward", "could you look to your left?", "hang a left here", "make a left turn now"),
    "right": ("veer rightward", "could you look to your right?", "hang a right here", "make a right turn now"),
    "forward": ("march on", "take a pace forwards", "move along straight ahead", "please proceed ahead"),
    "grab": ("snatch the diamond", "please carry the ball with you", "pick the key off the floor", "hold the item"),
    "wait": ("freeze", "don't move", "remain in place", "tell me a joke"),
}


def labelled(model: LanguageModel, phrases: dict[str, tuple[str, ...]]) -> tuple[Tensor, Tensor, Tensor]:
    features, real = model.read([text for texts in phrases.values() for text in texts])
    return features, real, torch.tensor([index for index, texts in enumerate(phrases.values()) for _ in texts])


def test_phrasings_never_trained_on_are_understood() -> None:
    model = LanguageModel.from_pretrained("minilm")
    torch.manual_seed(0)
    network = LanguageActionEncoder.build(LanguageActionEncoderConfig(feature_width=model.width, width=32))
    readout = nn.Linear(4 * 32, len(TRAINED))
    optimizer = torch.optim.AdamW([*network.parameters(), *readout.parameters()], lr=3e-3)
    features, real, actions = labelled(model, TRAINED)
    network.train()
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(readout(network(features, real)[:, :4].flatten(1)), actions).backward()
        optimizer.step()
    network.eval()
    for phrases, least in ((TRAINED, 35), (UNSEEN, 16)):
        features, real, actions = labelled(model, phrases)
        understood = readout(network(features, real)[:, :4].flatten(1)).argmax(dim=1) == actions
        assert understood.sum() >= least
