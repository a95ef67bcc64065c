"""A frozen pretrained language model that reads action texts, so that words never trained on still mean something.

A text's features are the hidden states of its tokens at a few layers, each normalised to a root mean square of 1 and
put side by side. Texts of one length are computed together and never padded: the company a text keeps reaches its
features only as the rounding of a differently shaped product, below 1e-5.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import snapshot_download
from jaxtyping import Bool, Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from wm_gym.transition.compact_weights import compact, expand
from wm_gym.transition.tokenizer import fold

SHIPPED = Path(__file__).parent.parent / "weights" / "language"
CARD = "language_model.json"
COMPACT_WEIGHTS = "model.int8.safetensors"
POOLER = "pooler."  # a head on BERT's first token, which token features do not need
BATCH = 64  # texts computed together
_FILES = ("*.json", "*.safetensors", "*.txt", "*.model")  # what a model's folder is read from: no pickle, no code


class LanguageModelError(ValueError):
    """A language model that cannot be used; the message names the rule and the next step."""


class LanguageModel:
    """Token features of texts.

    It is no `nn.Module`, so that a network may hold one without training, averaging or saving it: whoever saves the
    network writes down `name`, `layers` and `fingerprint` and loads the same model again.

    Attributes:
        name: the name or folder that it was loaded from.
        layers: the layers whose outputs make the features; 0 is the embeddings.
        fingerprint: SHA-256 of the files that it was loaded from and of `layers`.
    """

    def __init__(
        self,
        backbone: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        name: str,
        layers: Sequence[int],
        fingerprint: str,
    ) -> None:
        self.name = name
        self.layers = tuple(layers)
        self.fingerprint = fingerprint
        self._backbone: Any = backbone.requires_grad_(False).eval()
        self._tokenizer = tokenizer
        self._prefix = [] if tokenizer("").input_ids else [_opening_token(tokenizer)]

    @classmethod
    def from_pretrained(cls, name_or_folder: str | Path, layers: Sequence[int] | None = None) -> "LanguageModel":
        """Load a shipped model, a folder, or a model of the Hugging Face hub (which alone downloads).

        Any `transformers` model with an `AutoModel`, an `AutoTokenizer` and safetensors will do, one that reads both
        ways (BERT) or one that reads from left to right (Llama, Qwen). Code in a model's folder is never run.

        Args:
            name_or_folder: `"minilm"`, a path or a hub id.
            layers: layers whose outputs make the features, rising; the model is cut after the last. By default what
                the folder's `language_model.json` says, else the last layer.

        Raises:
            LanguageModelError: nothing there, missing weights, or layers that the model does not have.
        """
        folder = _locate(name_or_folder)
        try:
            config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            chosen = _check_layers(layers or _default_layers(folder, config), config)
            backbone = _load(folder, _cut(config, chosen[-1]))
        except LanguageModelError:
            raise
        except (OSError, KeyError, ValueError, SafetensorError, RuntimeError) as error:
            raise LanguageModelError(
                f"language model {folder} must be whole, with config, tokenizer and safetensors, got: {error}; "
                "copy or convert it again"
            ) from error
        return cls(backbone, tokenizer, str(name_or_folder), chosen, _fingerprint(folder, chosen))

    @property
    def width(self) -> int:
        """Numbers a token."""
        hidden_size: int = self._backbone.config.hidden_size
        return len(self.layers) * hidden_size

    @property
    def device(self) -> torch.device:
        """Where the features are computed and returned."""
        return next(self._backbone.parameters()).device

    def to(self, device: torch.device | str) -> "LanguageModel":
        """Move to a device; returns itself."""
        self._backbone.to(device)
        return self

    @torch.no_grad()
    def read(self, texts: Sequence[str]) -> tuple[Float[Tensor, "texts length width"], Bool[Tensor, "texts length"]]:
        """Features of the folded texts, zeros after the end of each, and which of them are real: one or more a text."""
        rows = [self._prefix + self._tokenizer(fold(text)).input_ids for text in texts]
        real = torch.zeros(len(rows), max(map(len, rows), default=0), dtype=torch.bool)
        features = torch.zeros(*real.shape, self.width, device=self.device)
        for members in _batches_of_one_length(rows):
            ids = torch.tensor([rows[member] for member in members])
            features[members, : ids.shape[1]] = self._token_features(ids.to(self.device))
            real[members, : ids.shape[1]] = True
        return features, real.to(self.device)

    def save_compact(self, folder: Path) -> None:
        """Write the model in int8 into a folder for `from_pretrained`, without what its features do not need."""
        folder.mkdir(parents=True, exist_ok=True)
        weights = {name: weight.cpu() for name, weight in self._backbone.state_dict().items()}
        save_file(compact({n: w for n, w in weights.items() if not n.startswith(POOLER)}), folder / COMPACT_WEIGHTS)
        self._backbone.config.save_pretrained(folder)
        self._tokenizer.save_pretrained(folder)
        (folder / CARD).write_text(json.dumps({"layers": self.layers}) + "\n")

    def _token_features(self, ids: Int64[Tensor, "texts length"]) -> Float[Tensor, "texts length width"]:
        states = self._backbone(input_ids=ids, output_hidden_states=True).hidden_states
        hidden = torch.stack([states[layer] for layer in self.layers], dim=2)
        return (hidden / hidden.pow(2).mean(dim=3, keepdim=True).sqrt()).flatten(2)


def shipped_language_models() -> list[str]:
    """Names of the language models that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{CARD}"))


def _locate(name_or_folder: str | Path) -> Path:
    for folder in (Path(name_or_folder), SHIPPED / str(name_or_folder)):
        if (folder / "config.json").is_file():
            return folder
    try:
        return Path(snapshot_download(str(name_or_folder), allow_patterns=list(_FILES)))
    except (OSError, ValueError) as error:  # the hub's errors are one or the other
        raise LanguageModelError(
            f"language model must be one of {shipped_language_models()}, a folder with a config.json or a model of the "
            f"Hugging Face hub, got {str(name_or_folder)!r}: {error}"
        ) from error


def _default_layers(folder: Path, config: PreTrainedConfig) -> Sequence[int]:
    if (folder / CARD).is_file():
        layers: list[int] = json.loads((folder / CARD).read_text())["layers"]
        return layers
    return (config.num_hidden_layers,)


def _check_layers(layers: Sequence[int], config: PreTrainedConfig) -> tuple[int, ...]:
    highest = config.num_hidden_layers
    if list(layers) != sorted(set(layers)) or not 0 <= layers[0] <= layers[-1] <= highest:
        raise LanguageModelError(f"layers must be rising numbers from 0 to {highest}, got {list(layers)}")
    return tuple(layers)


def _cut(config: PreTrainedConfig, num_layers: int) -> PreTrainedConfig:
    config.num_hidden_layers = num_layers
    if getattr(config, "layer_types", None):  # one entry a layer, in models that mix kinds of attention
        config.layer_types = config.layer_types[:num_layers]
    config.use_cache = False
    return config


def _load(folder: Path, config: PreTrainedConfig) -> PreTrainedModel:
    if (folder / COMPACT_WEIGHTS).is_file():
        with torch.random.fork_rng(devices=[]):  # initial values are drawn for nothing: the caller's seed stays
            backbone: Any = AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
        missing = backbone.load_state_dict(expand(load_file(folder / COMPACT_WEIGHTS)), strict=False).missing_keys
    else:
        with _quiet_transformers():  # it would list every weight above the cut
            backbone, information = AutoModel.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                dtype=torch.float32,
                output_loading_info=True,
            )
        missing = information["missing_keys"]
    if absent := sorted(name for name in missing if not name.startswith(POOLER)):
        raise LanguageModelError(f"weights in {folder} must hold {', '.join(absent)}; copy or convert them again")
    return backbone


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def _opening_token(tokenizer: PreTrainedTokenizerBase) -> int:
    """A token to open every text with, for tokenizers that give "" none."""
    candidates = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    found = [token for token in candidates if token is not None]
    if not found:
        raise LanguageModelError('tokenizer must have a token for "", got none: no special token either; add one')
    return int(found[0])


def _batches_of_one_length(rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    by_length: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(index)
    for members in by_length.values():
        yield from (members[start : start + BATCH] for start in range(0, len(members), BATCH))


def _fingerprint(folder: Path, layers: Sequence[int]) -> str:
    paths = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    return hashlib.sha256(json.dumps([hashes, list(layers)], sort_keys=True).encode()).hexdigest()
