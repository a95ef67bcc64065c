"""Checkpoints: written and read bit for bit, and every damage is one clear error."""

import hashlib
import json
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

from tests.worlds import tiny_world_model, write_tiny_checkpoint
from wm_gym.checkpoint import (
    SHIPPED,
    locate,
    part_files,
    read_card,
    read_checkpoint,
    shipped_names,
    update_card,
)
from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.transition.tokenizer import BytePairs
from wm_gym.world_card import ModelCard
from wm_gym.world_model import WorldModel

WEIGHTS = "diffusion_pytorch_model.safetensors"
FILES = (*part_files(own_tokenizer=True), "starts/slide.png")
PARTS = ("autoencoder", "encoder", "action_encoder", "transition", "heads", "decoder")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that no test changes."""
    folder = tmp_path_factory.mktemp("checkpoints") / "slide"
    write_tiny_checkpoint(folder, window_chunks=2)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(written, tmp_path / "slide"))


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "world_model.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def sign(folder: Path) -> None:
    """Makes the manifest's hashes those of the files, as someone who edits a checkpoint by hand would."""

    def update(manifest: dict[str, Any]) -> None:
        hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in manifest["sha256"]}
        weights = {name: value for name, value in hashes.items() if name != "starts/slide.png"}
        weights["decoder"] = manifest["decoder"]
        manifest["sha256"] = hashes
        manifest["card"]["weights_hash"] = hashlib.sha256(json.dumps(weights, sort_keys=True).encode()).hexdigest()

    change_manifest(folder, update)


def refusal(folder: Path | str) -> str:
    """The message with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        WorldModel.from_pretrained(folder)
    return str(caught.value)


def test_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    model = tiny_world_model(tmp_path / "data", window_chunks=2, chunk_frames=2)
    card = model.save_pretrained(tmp_path / "slide")
    loaded = WorldModel.from_pretrained(tmp_path / "slide")
    assert loaded.card == card
    assert card == replace(model.card, weights_hash=card.weights_hash)
    assert loaded.decoder.config == model.decoder.config
    assert torch.equal(loaded.starts["slide"], model.starts["slide"])
    assert isinstance(loaded.reader, BytePairs) and isinstance(model.reader, BytePairs)
    assert loaded.reader.tokenizer.to_str() == model.reader.tokenizer.to_str()
    weights, expected = loaded.state_dict(), model.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_loaded_model_steps_as_the_saved_one(tmp_path: Path) -> None:
    model = tiny_world_model(tmp_path / "data")
    model.save_pretrained(tmp_path / "slide")
    outputs = []
    for each in (model, WorldModel.from_pretrained(tmp_path / "slide")):
        state = each.reset(model.starts["slide"][:2], seeds=[0, 1])
        for _ in range(3):
            state, output = each.step(state, ["go left", "an unknown text"])
        outputs.append(output)
    assert torch.equal(outputs[0].frames, outputs[1].frames)
    assert torch.equal(outputs[0].termination_probability, outputs[1].termination_probability)


def test_loaded_model_is_in_evaluation_mode(written: Path) -> None:
    assert not any(module.training for module in WorldModel.from_pretrained(written).modules())


def test_writing_again_gives_the_same_hash_and_files(written: Path, tmp_path: Path) -> None:
    card = WorldModel.from_pretrained(written).save_pretrained(tmp_path / "again")
    assert card == read_card(written)
    for path in written.rglob("*"):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(written)).read_bytes() == path.read_bytes(), path


def test_hash_follows_the_weights(written: Path, tmp_path: Path) -> None:
    model = WorldModel.from_pretrained(written)
    with torch.no_grad():
        model.heads.readout.bias.add_(1e-3)
    assert model.save_pretrained(tmp_path / "changed").weights_hash != read_card(written).weights_hash


def test_other_files_in_the_folder_do_not_change_the_hash(written: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    card = WorldModel.from_pretrained(written).save_pretrained(tmp_path)
    assert card.weights_hash == read_card(written).weights_hash


def test_weights_are_safetensors_alone(written: Path) -> None:
    suffixes = {path.suffix for path in written.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".png"}


def test_manifest_lists_every_file(written: Path) -> None:
    files = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert files == {*FILES, "world_model.json"}
    assert json.loads((written / "world_model.json").read_text())["sha256"].keys() == set(FILES)


def test_card_is_read_alone(written: Path) -> None:
    card = read_card(written)
    world = card.worlds["slide"]
    assert (list(card.worlds), card.frame_size, card.chunk_frames, world.render_fps) == (["slide"], (32, 32), 1, 5)
    assert world.action_phrases["wait"] == ("wait", "")
    assert world.reward_range == (0.0, 1.0)
    assert card == WorldModel.from_pretrained(written).card


def test_update_changes_the_named_fields_alone(folder: Path) -> None:
    before = read_card(folder)
    after = update_card(folder, metrics={"state_accuracy": {"1": 0.5}}, num_denoising_steps=2)
    assert after == replace(before, metrics={"state_accuracy": {"1": 0.5}}, num_denoising_steps=2)
    assert WorldModel.from_pretrained(folder).card == after


def test_decoder_saved_by_diffusers_is_read_unchanged(folder: Path) -> None:
    official = WanTransformer3DModel.from_config(WanTransformer3DModel.load_config(folder / "decoder"))
    official.save_pretrained(folder / "decoder", safe_serialization=True)
    sign(folder)
    loaded = WorldModel.from_pretrained(folder).decoder.transformer.state_dict()
    expected = official.state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


@pytest.mark.parametrize("part", PARTS)
def test_truncated_weights_are_refused(folder: Path, part: str) -> None:
    path = folder / part / WEIGHTS
    path.write_bytes(path.read_bytes()[:-100])
    assert re.search(f"{path} must have SHA-256 .*, got .*cut or changed; copy the folder again", refusal(folder))


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert re.search(f"{folder / name} must have SHA-256 .*, got .*; copy the folder again", refusal(folder))


@pytest.mark.parametrize("part", PARTS)
def test_missing_part_is_refused(folder: Path, part: str) -> None:
    shutil.rmtree(folder / part)
    assert f"{folder} must hold {part}/config.json, which is missing; copy the folder again" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_missing_file_is_refused(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert f"{folder} must hold {name}, which is missing; copy the folder again" in refusal(folder)


@pytest.mark.parametrize("name", part_files(own_tokenizer=True))
def test_file_missing_in_the_manifest_is_refused(folder: Path, name: str) -> None:
    change_manifest(folder, lambda manifest: manifest["sha256"].pop(name))
    assert f"{folder / 'world_model.json'} must list {name}; write the checkpoint again" in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "{}", '{"format_version": 2, "card": {}, "sha256": []}', "\x00"])
def test_broken_manifest_is_refused(folder: Path, text: str) -> None:
    (folder / "world_model.json").write_text(text)
    message = refusal(folder)
    assert f"{folder / 'world_model.json'} must be a whole manifest, got" in message
    assert message.endswith("copy it again")


@pytest.mark.parametrize("version", [0, 1, 3, "2"])
def test_other_format_version_is_refused(folder: Path, version: object) -> None:
    change_manifest(folder, lambda manifest: manifest.update(format_version=version))
    expected = f"world_model.json must have format version 2, got {version}; install the wm-gym that wrote it"
    assert expected in refusal(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.pop("worlds"),
        lambda card: card.update(unheard_of=1),
        lambda card: card.update(frame_size=3),
        lambda card: card["worlds"]["slide"].update(action_phrases=[]),
        lambda card: card["worlds"]["slide"].update(action_phrases={"go left": "go left"}),
        lambda card: card["worlds"]["slide"].update(action_phrases={"go left": []}),
        lambda card: card["worlds"]["slide"].update(key_map=["left"]),
        lambda card: card.update(frame_size=["a", "b"]),
        lambda card: card.update(chunk_frames=None),
        lambda card: card["worlds"]["slide"].update(render_fps=0),
        lambda card: card["worlds"]["slide"].update(reward_range=[1]),
        lambda card: card.update(temperature="hot"),
        lambda card: card.update(num_denoising_steps=1.5),
        lambda card: card.update(weights_hash=None),
        lambda card: card.update(worlds=3),
        lambda card: card.update(worlds={}),
        lambda card: card["worlds"].update({"../up": card["worlds"]["slide"]}),
        lambda card: card["worlds"]["slide"].update(control_low=[0.0]),
    ],
)
def test_bad_card_is_refused(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    change_manifest(folder, lambda manifest: change(manifest["card"]))
    assert f"card in {folder / 'world_model.json'} must be a checkpoint's card, got" in refusal(folder)


@pytest.mark.parametrize(("name", "value"), [("frame_size", [64, 32]), ("chunk_frames", 2)])
def test_card_that_misfits_the_networks_is_refused(folder: Path, name: str, value: object) -> None:
    change_manifest(folder, lambda manifest: manifest["card"].update({name: value}))
    assert f"{name} in {folder / 'world_model.json'} must be" in refusal(folder)


def test_bad_decoder_config_is_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["decoder"].update(unheard_of=1))
    sign(folder)
    assert f"decoder in {folder / 'world_model.json'} must be a decoder's config, got" in refusal(folder)


def test_changed_decoder_config_is_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["decoder"].update(prediction_target="clean"))
    assert "that of the listed files and the decoder's config, got" in refusal(folder)


def test_hash_of_other_weights_is_refused(folder: Path) -> None:
    change_manifest(folder, lambda manifest: manifest["card"].update(weights_hash="f" * 64))
    assert re.search("weights_hash in .* must be .*, that of the listed files and .*, got fff", refusal(folder))


@pytest.mark.parametrize(
    ("part", "name"), [("encoder", "width"), ("transition", "num_state_tokens"), ("decoder", "ffn_dim")]
)
def test_weights_that_misfit_the_config_are_refused(folder: Path, part: str, name: str) -> None:
    path = folder / part / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, name: 2 * config[name]}))
    sign(folder)
    message = refusal(folder)
    assert f"{folder / part / WEIGHTS} must fit {path}, got" in message
    assert "size mismatch" in message


@pytest.mark.parametrize("part", PARTS)
def test_config_of_something_else_is_refused(folder: Path, part: str) -> None:
    (folder / part / "config.json").write_text('{"unheard_of": 1}')
    sign(folder)
    assert f"{folder / part / 'config.json'} must be a config of {part}, got" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        (f"heads/{WEIGHTS}", "must fit"),
        ("action_encoder/tokenizer.json", "must be a tokenizer"),
        ("starts/slide.png", "starts"),
    ],
)
def test_signed_garbage_is_refused(folder: Path, name: str, rule: str) -> None:
    (folder / name).write_bytes(b"garbage")
    sign(folder)
    message = refusal(folder)
    assert str(folder / name) in message
    assert rule in message


@pytest.mark.parametrize("name", ["nowhere", "", "../minigrid"])
def test_unknown_name_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    message = refusal(name)
    assert f"checkpoint must be one of {shipped_names()} or a folder with a world_model.json, got {name!r}" in message
    assert "wm-gym train world-model" in message


def test_shipped_names_are_found_by_name() -> None:
    for name in shipped_names():
        assert locate(name) == SHIPPED / name


class Bomb:
    """Says so when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "pytorch_model.pt", "tensors.pkl"])
def test_pickle_is_never_opened(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for part in (".", *PARTS):
        with (folder / part / name).open("wb") as file:
            pickle.dump(Bomb(), file)
    WorldModel.from_pretrained(folder)
    (folder / "encoder" / WEIGHTS).unlink()
    assert "must hold encoder" in refusal(folder)
    assert not (folder / "exploded").exists()


def test_bomb_would_explode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Bomb()))
    assert (tmp_path / "exploded").exists()


def test_card_knows_its_defaults(written: Path) -> None:
    parts = read_checkpoint(written)
    assert isinstance(parts.card, ModelCard)
    assert (parts.card.num_denoising_steps, parts.card.temperature) == (1, 1.0)
