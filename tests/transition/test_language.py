"""Features of texts: pretrained, frozen, and the same in any company."""

import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from tests.tolerances import assert_near
from tests.transition.language_models import NUM_LAYERS, WIDTH, write_language_model
from wm_gym.transition.language import (
    COMPACT_WEIGHTS,
    SHIPPED,
    LanguageModel,
    LanguageModelError,
    shipped_language_models,
)

ORIGINAL = Path(__file__).parent / "minilm_features.safetensors"  # of the float32 model, in half precision
ORIGINAL_TEXTS = ("turn left", "could you open the door please", "", "it's 9 o'clock: hard right, full throttle!")


@pytest.fixture(scope="session")
def minilm() -> LanguageModel:
    """The shipped model, loaded without a network."""

    def refuse(*_: object) -> None:
        raise AssertionError("a shipped model must load without a network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        return LanguageModel.from_pretrained("minilm")


@pytest.fixture(scope="session", params=["bert", "qwen3"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that reads both ways, and one that reads from left to right."""
    return write_language_model(tmp_path_factory.mktemp("language"), request.param)


def pooled(model: LanguageModel, *texts: str) -> Tensor:
    features, real = model.read(texts)
    return (features * real[..., None]).sum(dim=1) / real.sum(dim=1, keepdim=True)


def test_the_shipped_models_are_listed() -> None:
    assert shipped_language_models() == ["minilm"]


def test_shipped_features_are_those_of_the_original(minilm: LanguageModel) -> None:
    features, real = minilm.read(ORIGINAL_TEXTS)
    original = load_file(ORIGINAL)["features"].float()
    for layer in (slice(0, 384), slice(384, 768)):
        assert torch.cosine_similarity(features[real][:, layer], original[:, layer], dim=1).min() > 0.999


def test_a_phrasing_lies_nearest_to_its_meaning(minilm: LanguageModel) -> None:
    commands = pooled(minilm, "turn left", "turn right", "walk forward", "pick it up", "open the door", "do nothing")
    sayings = pooled(
        minilm, "swivel leftwards", "to your right", "march ahead", "grab that", "unlock the gate", "stay idle"
    )
    nearest = torch.cosine_similarity(sayings[:, None], commands[None], dim=2).argmax(dim=1)
    assert nearest.tolist() == [0, 1, 2, 3, 4, 5]


def test_company_and_padding_do_not_matter(minilm: LanguageModel) -> None:
    texts = ["turn left", "x", "walk up to the red door and open it, if you would be so kind", "turn right"] * 20
    together, real = minilm.read(texts)
    for index in (0, 1, 2):
        alone, _ = minilm.read([texts[index]])
        assert_near(together[index : index + 1, : alone.shape[1]], alone)
        assert not together[index, alone.shape[1] :].any() and real[index].sum() == alone.shape[1]


def test_reading_again_gives_the_same_bits(minilm: LanguageModel) -> None:
    assert torch.equal(minilm.read(["push it north"])[0], minilm.read(["push it north"])[0])


def test_case_and_surplus_spaces_do_not_matter(minilm: LanguageModel) -> None:
    features, _ = minilm.read(["Turn  LEFT ", "turn left"])
    assert torch.equal(features[0], features[1])


def test_a_text_of_256_characters_is_read_to_its_end(minilm: LanguageModel) -> None:
    _, real = minilm.read(["a?" * 128])
    assert real.sum() == 256 + 2


def test_every_layer_of_a_token_has_a_root_mean_square_of_one(folder: Path) -> None:
    model = LanguageModel.from_pretrained(folder, layers=(0, NUM_LAYERS))
    features, real = model.read(["", "turn left"])
    assert model.width == features.shape[2] == 2 * WIDTH
    assert_near(features[real].unflatten(1, (2, WIDTH)).pow(2).mean(dim=2), torch.ones(int(real.sum()), 2))


def test_the_empty_text_has_a_token(folder: Path, minilm: LanguageModel) -> None:
    assert LanguageModel.from_pretrained(folder).read([""])[1].sum() == 1
    assert minilm.read([""])[1].sum() == 2


def test_no_texts_have_no_features(folder: Path) -> None:
    assert LanguageModel.from_pretrained(folder).read([])[0].shape == (0, 0, WIDTH)


def test_cutting_the_model_does_not_change_the_layers_below(folder: Path) -> None:
    whole, _ = LanguageModel.from_pretrained(folder, layers=(1, NUM_LAYERS)).read(["turn left"])
    cut, _ = LanguageModel.from_pretrained(folder, layers=(1, 2)).read(["turn left"])
    assert_near(cut[:, :, :WIDTH], whole[:, :, :WIDTH])


def test_a_language_model_has_nothing_to_train_and_ignores_dropout(folder: Path) -> None:
    model = LanguageModel.from_pretrained(folder)
    assert not model.read(["turn left"])[0].requires_grad
    assert torch.equal(model.read(["turn left"])[0], model.read(["turn left"])[0])


def test_stored_in_int8_the_features_stay(folder: Path, tmp_path: Path) -> None:
    model = LanguageModel.from_pretrained(folder, layers=(1, 2))
    model.save_compact(tmp_path)
    stored = LanguageModel.from_pretrained(tmp_path)
    assert stored.layers == (1, 2)
    similarity = torch.cosine_similarity(stored.read(["turn left"])[0], model.read(["turn left"])[0], dim=2)
    assert 0.999 < similarity.min() < 1 - 1e-7


def test_loading_leaves_the_seed_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    LanguageModel.from_pretrained("minilm", layers=(1,))
    assert torch.equal(torch.rand(1), expected)


def test_the_fingerprint_tells_weights_and_layers_apart(tmp_path: Path) -> None:
    models = [
        LanguageModel.from_pretrained(write_language_model(tmp_path / "one", seed=1)),
        LanguageModel.from_pretrained(tmp_path / "one", layers=(1,)),
        LanguageModel.from_pretrained(write_language_model(tmp_path / "two", seed=2)),
    ]
    assert len({model.fingerprint for model in models}) == 3
    shutil.copytree(tmp_path / "one", tmp_path / "copy")
    assert LanguageModel.from_pretrained(tmp_path / "copy").fingerprint == models[0].fingerprint


@pytest.mark.parametrize("layers", [(-1,), (NUM_LAYERS + 1,), (2, 1), (1, 1)])
def test_layers_that_are_not_there_are_refused(folder: Path, layers: tuple[int, ...]) -> None:
    with pytest.raises(LanguageModelError, match=f"rising numbers from 0 to {NUM_LAYERS}"):
        LanguageModel.from_pretrained(folder, layers)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(LanguageModelError, match=r"one of \['minilm'\], a folder"):
        LanguageModel.from_pretrained("no/such-model")


def test_a_missing_weight_is_refused(tmp_path: Path) -> None:
    weights = write_language_model(tmp_path) / "model.safetensors"
    save_file({n: w for n, w in load_file(weights).items() if "layer.1.output" not in n}, weights, {"format": "pt"})
    with pytest.raises(LanguageModelError, match=r"must hold encoder\.layer\.1\.output"):
        LanguageModel.from_pretrained(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    write_language_model(tmp_path)
    torch.save(load_file(tmp_path / "model.safetensors"), tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(LanguageModelError, match="safetensors"):
        LanguageModel.from_pretrained(tmp_path)


def test_cut_weights_are_refused(tmp_path: Path) -> None:
    LanguageModel.from_pretrained(write_language_model(tmp_path / "whole")).save_compact(tmp_path / "cut")
    weights = tmp_path / "cut" / COMPACT_WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(LanguageModelError, match="must be whole"):
        LanguageModel.from_pretrained(tmp_path / "cut")


def test_the_shipped_model_is_small_and_says_whose_it_is() -> None:
    files = {path.name: path.stat().st_size for path in (SHIPPED / "minilm").iterdir()}
    assert sum(files.values()) < 26e6
    assert {"LICENSE", "NOTICE", "README.md"} <= files.keys()
