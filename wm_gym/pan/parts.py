"""Loading the parts of a PAN-scale world model from the user's folders or the Hugging Face hub.

Only configs, tokenizers and safetensors are read: no pickle, and no code of a model's folder. What diffusers and
transformers would fill with random numbers or pass over is an error here.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import AutoencoderKLWan
from diffusers.models.transformers.transformer_wan import WanTransformer3DModel
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from torch import nn
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2_5_VLForConditionalGeneration,
    UMT5EncoderModel,
)
from transformers.utils import logging

_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # no pickle, no code
_VIDEO_FOLDERS = ("transformer", "vae", "text_encoder", "tokenizer")
_LISTED = 3  # names that an error lists


class PartError(ValueError):
    """A part that cannot be used; the message names the folder, the rule and the next step."""


def locate_video_model(name_or_folder: str | Path) -> Path:
    """The folder of Wan2.1 in diffusers' layout, such as `Wan-AI/Wan2.1-T2V-1.3B-Diffusers`.

    Raises:
        PartError: neither a folder nor a model that the hub gives, or one without a part.
    """
    patterns = [f"{part}/{files}" for part in _VIDEO_FOLDERS for files in _FILES]
    folder = _locate(name_or_folder, patterns)
    if missing := [part for part in _VIDEO_FOLDERS if not (folder / part).is_dir()]:
        raise PartError(
            f"{folder} must hold the folders {', '.join(_VIDEO_FOLDERS)}, got none of {', '.join(missing)}; take a "
            "model in diffusers' layout, such as Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
        )
    return folder


def locate_vision_language_model(name_or_folder: str | Path) -> Path:
    """The folder of Qwen2.5-VL in transformers' layout, such as `Qwen/Qwen2.5-VL-7B-Instruct`.

    Raises:
        PartError: neither a folder nor a model that the hub gives.
    """
    return _locate(name_or_folder, list(_FILES))


def load_transformer(folder: Path, dtype: torch.dtype) -> WanTransformer3DModel:
    """Wan's transformer.

    Raises:
        PartError: another class, or weights that do not fit.
    """
    return _load_diffusers(WanTransformer3DModel, folder, dtype)


def load_vae(folder: Path, dtype: torch.dtype) -> AutoencoderKLWan:
    """Wan's autoencoder.

    Raises:
        PartError: another class, or weights that do not fit.
    """
    return _load_diffusers(AutoencoderKLWan, folder, dtype)


def load_text_encoder(folder: Path, dtype: torch.dtype) -> UMT5EncoderModel:
    """The encoder of umT5.

    Raises:
        PartError: another model, or weights that do not fit.
    """
    return _load_transformers(UMT5EncoderModel, "umt5", folder, dtype)


def load_vision_language_model(folder: Path, dtype: torch.dtype) -> Qwen2_5_VLForConditionalGeneration:
    """Qwen2.5-VL.

    Raises:
        PartError: another model, or weights that do not fit.
    """
    return _load_transformers(Qwen2_5_VLForConditionalGeneration, "qwen2_5_vl", folder, dtype)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder.

    Raises:
        PartError: there is none.
    """
    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise PartError(f"{folder} must hold a tokenizer, got: {error}; copy the folder again") from error
    return tokenizer


def shapes_in(folder: Path, stem: str) -> dict[str, tuple[int, ...]]:
    """Shape of each weight in a folder's safetensors, read from their headers.

    Args:
        folder: with `<stem>.safetensors`, or with shards of it and their index.
        stem: `diffusion_pytorch_model` or `model`.

    Raises:
        PartError: no such file, a missing shard, or a cut one.
    """
    index = folder / f"{stem}.safetensors.index.json"
    names = sorted(set(_read_json(index)["weight_map"].values())) if index.is_file() else [f"{stem}.safetensors"]
    shapes: dict[str, tuple[int, ...]] = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise PartError(f"{folder} must hold {name}, which is missing; copy it again (pickles are not read)")
        try:
            with safe_open(path, framework="pt") as file:
                shapes |= {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise PartError(f"{path} must be a whole safetensors file, got: {error}; copy it again") from error
    return shapes


def check_weights(path: Path, found: dict[str, tuple[int, ...]], network: nn.Module) -> None:
    """Check that stored weights are those of a network.

    Raises:
        PartError: one is missing, of another shape, or unknown to the network.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    missing = sorted(expected.keys() - found.keys())
    misfits = [
        f"{name} ({expected[name]} by the config, {shape} stored)"
        for name, shape in sorted(found.items())
        if expected.get(name, shape) != shape
    ]
    unknown = sorted(found.keys() - expected.keys())
    _raise_misfits(path, missing, misfits, unknown)


def _locate(name_or_folder: str | Path, patterns: list[str]) -> Path:
    folder = Path(name_or_folder)
    if folder.is_dir():
        return folder
    try:
        return Path(snapshot_download(str(name_or_folder), allow_patterns=patterns))
    except (OSError, ValueError) as error:  # the hub's errors are one or the other
        raise PartError(
            f"model must be a folder or a model of the Hugging Face hub, got {str(name_or_folder)!r}: {error}"
        ) from error


def _load_diffusers(cls: Any, folder: Path, dtype: torch.dtype) -> Any:
    config = _read_json(folder / "config.json")
    if config.get("_class_name") != cls.__name__:
        raise PartError(f"{folder} must hold a {cls.__name__}, got {config.get('_class_name')}; name the right folder")
    with _as_part_error(folder), torch.device("meta"):
        skeleton = cls.from_config(config)
    check_weights(folder, shapes_in(folder, "diffusion_pytorch_model"), skeleton)
    with _as_part_error(folder):
        return cls.from_pretrained(folder, torch_dtype=dtype, use_safetensors=True, low_cpu_mem_usage=_has_accelerate())


def _load_transformers(cls: Any, kind: str, folder: Path, dtype: torch.dtype) -> Any:
    config = _read_json(folder / "config.json")
    if config.get("model_type") != kind:
        raise PartError(f"{folder} must hold a model of type {kind}, got {config.get('model_type')}; name another one")
    shapes_in(folder, "model")
    with _as_part_error(folder), _quiet_transformers():
        model, report = cls.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are listed, and refused below
            output_loading_info=True,
        )
    misfits = [f"{name} ({tuple(model_shape)} by the config, {tuple(stored)} stored)"
               for name, stored, model_shape in sorted(report["mismatched_keys"])]  # fmt: skip
    unknown = sorted(report["unexpected_keys"]) if kind == "qwen2_5_vl" else []  # umT5's decoder is left out on purpose
    _raise_misfits(folder, sorted(report["missing_keys"]), misfits, unknown)
    return model.eval()


def _raise_misfits(path: Path, missing: list[str], misfits: list[str], unknown: list[str]) -> None:
    kinds = {"missing": missing, "misfitting": misfits, "unknown": unknown}
    found = [
        f"{len(names)} {kind}: {', '.join(names[:_LISTED])}{', ...' if len(names) > _LISTED else ''}"
        for kind, names in kinds.items()
        if names
    ]
    if found:
        raise PartError(f"weights in {path} must be those of its config.json, got {'; '.join(found)}; copy it again")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise PartError(f"{path} must be a JSON file, got {error!r}; copy the folder again") from error
    if not isinstance(values, dict):
        raise PartError(f"{path} must hold an object, got {type(values).__name__}; copy the folder again")
    return values


def _has_accelerate() -> bool:
    """Diffusers loads without a second copy in memory only with accelerate, and warns without it."""
    from diffusers.utils import is_accelerate_available

    return bool(is_accelerate_available())


@contextmanager
def _as_part_error(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise PartError(f"{folder} must hold a whole model, got: {error}; copy it again") from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
