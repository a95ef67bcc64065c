"""Low-rank adaptation (LoRA, arXiv 2106.09685): W + B A in place of W, where only the thin A and B are trained.

Every linear layer of the language model and of the diffusion transformer gets one; the rest of these two stays as it
is. What is small is trained in full: both encoders, the queries and the heads. The updates are added to the weights
when a checkpoint is written, so that it is one like any other and needs no `peft`.
"""

import copy
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from wm_gym.checkpoint import write_checkpoint
from wm_gym.training.training_checkpoint import TrainingError
from wm_gym.training.world_model_stage import WorldModelStage
from wm_gym.world_model import WorldModel

M = TypeVar("M", bound=nn.Module)


def add_low_rank(model: WorldModel, rank: int, seed: int) -> None:
    """Put low-rank updates beside the linear layers of transition and decoder, and freeze what else is in these two.

    B begins at 0, so that the model computes what it did before.

    Args:
        model: changed in place.
        rank: rows of A, at least 1.
        seed: of A's initial values.

    Raises:
        TrainingError: `peft` is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise TrainingError(
            f'peft must be installed to train low-rank updates, got: {error}; pip install "wm-gym[finetune]", or leave '
            "lora_rank at 0"
        ) from error
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for network in (model.transition.backbone, model.decoder.transformer):
            linear = [name for name, layer in network.named_modules() if isinstance(layer, nn.Linear)]
            inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=rank, target_modules=linear), network)


def merged(module: M) -> M:
    """A copy whose linear layers are plain again, with the low-rank updates added to their weights."""
    from peft.tuners.lora import LoraLayer

    plain = copy.deepcopy(module)
    for name, layer in list(plain.named_modules()):
        if isinstance(layer, LoraLayer):
            layer.merge()
            parent, _, child = name.rpartition(".")
            setattr(plain.get_submodule(parent), child, layer.get_base_layer())
    return plain


class LowRankStage(WorldModelStage):
    """Trains a model with low-rank updates, and exports one without."""

    def export(self, module: nn.Module, folder: Path) -> None:
        """Write a checkpoint that `WorldModel.from_pretrained` loads."""
        assert module is self.module, "the loop exports the module that it trains"
        parts = self.model.parts()
        write_checkpoint(folder, replace(parts, transition=merged(parts.transition), decoder=merged(parts.decoder)))
