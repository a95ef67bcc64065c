"""Parts load from folders in their official layout, and what does not fit is one clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tests.pan.tiny_parts import (
    tiny_qwen,
    tiny_text_encoder,
    tiny_tokenizer,
    tiny_transformer,
    tiny_vae,
    write_video_folder,
    write_vision_language_folder,
)
from wm_gym.pan.parts import (
    PartError,
    load_text_encoder,
    load_tokenizer,
    load_transformer,
    load_vae,
    load_vision_language_model,
    locate_video_model,
    locate_vision_language_model,
)

Loader = Callable[[Path, torch.dtype], Any]
SOME_BIAS = {  # or another vector, by its name in the file
    "transformer": "blocks.1.attn1.to_q.bias",
    "vae": "decoder.conv_in.bias",
    "text_encoder": "encoder.block.0.layer.0.layer_norm.weight",
    "vision_language": "model.layers.1.self_attn.q_proj.bias",
}
LAST_NAME = {part: ".".join(name.split(".")[-2:]) for part, name in SOME_BIAS.items()}  # in a file or a model
PARTS: dict[str, tuple[Loader, Callable[[], nn.Module]]] = {
    "transformer": (load_transformer, tiny_transformer),
    "vae": (load_vae, tiny_vae),
    "text_encoder": (load_text_encoder, tiny_text_encoder),
    "vision_language": (load_vision_language_model, tiny_qwen),
}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    video = write_video_folder(tmp_path / "video")
    qwen = write_vision_language_folder(tmp_path / "qwen")
    return {"vision_language": qwen} | {part: video / part for part in ("transformer", "vae", "text_encoder")}


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> Path:
    (path,) = folder.glob("*.safetensors")
    weights = load_file(path)
    change(weights)
    save_file(weights, path, {"format": "pt"})
    return folder


@pytest.mark.parametrize("part", PARTS)
def test_a_written_part_loads_bit_for_bit(folders: dict[str, Path], part: str) -> None:
    load, make = PARTS[part]
    loaded, expected = load(folders[part], torch.float32).state_dict(), make().state_dict()
    assert loaded.keys() == expected.keys()
    assert all(torch.equal(loaded[name], expected[name]) for name in expected)


def test_bfloat16_keeps_what_wan_needs_in_float32(folders: dict[str, Path]) -> None:
    transformer = load_transformer(folders["transformer"], torch.bfloat16)
    assert transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16
    assert transformer.blocks[0].scale_shift_table.dtype == torch.float32


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_weight_is_named(folders: dict[str, Path], part: str) -> None:
    folder = rewrite(folders[part], lambda weights: weights.pop(SOME_BIAS[part], None))
    with pytest.raises(PartError, match=rf"weights in .* 1 missing: .*{LAST_NAME[part]}; copy it again"):
        PARTS[part][0](folder, torch.float32)


@pytest.mark.parametrize("part", PARTS)
def test_a_misfitting_weight_is_named_with_both_shapes(folders: dict[str, Path], part: str) -> None:
    folder = rewrite(folders[part], lambda weights: weights.update({SOME_BIAS[part]: torch.zeros(1)}))
    rule = rf"1 misfitting: .*{LAST_NAME[part]} \(\(\d+,\) by the config, \(1,\) stored\)"
    with pytest.raises(PartError, match=rule):
        PARTS[part][0](folder, torch.float32)


@pytest.mark.parametrize("part", ["transformer", "vae", "vision_language"])
def test_an_unknown_weight_is_named(folders: dict[str, Path], part: str) -> None:
    folder = rewrite(folders[part], lambda weights: weights.update({"surplus.weight": torch.zeros(2)}))
    with pytest.raises(PartError, match=r"1 unknown: .*surplus\.weight"):
        PARTS[part][0](folder, torch.float32)


@pytest.mark.parametrize("part", PARTS)
def test_a_folder_with_pickles_alone_is_refused(folders: dict[str, Path], part: str) -> None:
    (path,) = folders[part].glob("*.safetensors")
    torch.save({}, path.with_suffix(".bin"))
    path.unlink()
    with pytest.raises(PartError, match=rf"must hold {path.name}, which is missing.*pickles are not read"):
        PARTS[part][0](folders[part], torch.float32)


def test_a_cut_file_is_refused(folders: dict[str, Path]) -> None:
    (path,) = folders["vae"].glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(PartError, match=f"{path.name} must be a whole safetensors file"):
        load_vae(folders["vae"], torch.float32)


def test_shards_load_and_a_missing_one_is_named(tmp_path: Path) -> None:
    expected = tiny_transformer()
    expected.save_pretrained(tmp_path, max_shard_size="20KB", safe_serialization=True)
    shards = sorted(tmp_path.glob("*.safetensors"))
    assert len(shards) > 1
    weight = expected.blocks[1].ffn.net[2].weight
    assert torch.equal(load_transformer(tmp_path, torch.float32).blocks[1].ffn.net[2].weight, weight)
    shards[1].unlink()
    with pytest.raises(PartError, match=f"must hold {shards[1].name}, which is missing"):
        load_transformer(tmp_path, torch.float32)


def test_the_wrong_part_is_named(folders: dict[str, Path]) -> None:
    with pytest.raises(PartError, match="must hold a WanTransformer3DModel, got AutoencoderKLWan"):
        load_transformer(folders["vae"], torch.float32)
    with pytest.raises(PartError, match="must hold a model of type qwen2_5_vl, got umt5"):
        load_vision_language_model(folders["text_encoder"], torch.float32)


def test_a_broken_config_is_one_error(folders: dict[str, Path]) -> None:
    (folders["vae"] / "config.json").write_text("[1")
    with pytest.raises(PartError, match=r"config\.json must be a JSON file"):
        load_vae(folders["vae"], torch.float32)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    for locate in (locate_video_model, locate_vision_language_model):
        with pytest.raises(PartError, match="must be a folder or a model of the Hugging Face hub, got 'no/where'"):
            locate("no/where")
    (tmp_path / "transformer").mkdir()
    with pytest.raises(PartError, match="got none of vae, text_encoder, tokenizer"):
        locate_video_model(tmp_path)
    with pytest.raises(PartError, match="must hold a tokenizer"):
        load_tokenizer(tmp_path)


def test_a_written_tokenizer_loads(tmp_path: Path) -> None:
    tiny_tokenizer().save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path)("open the door").input_ids == tiny_tokenizer()("open the door").input_ids
