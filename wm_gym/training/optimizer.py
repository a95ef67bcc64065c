"""The optimizer of all stages."""

from collections.abc import Mapping

import torch
from torch import nn

from wm_gym.training.loop_config import LoopConfig
from wm_gym.training.shards import is_sharded


def make_optimizer(parameters: Mapping[str, nn.Parameter], config: LoopConfig) -> torch.optim.AdamW:
    """AdamW without weight decay on biases and norms; sharded parameters are in groups of their own.

    Raises:
        ValueError: there is no parameter to train.
    """
    if not parameters:
        raise ValueError("the module must have a parameter to train, got none with requires_grad; unfreeze one")
    groups = []
    for in_shards in (False, True):
        some = [parameter for parameter in parameters.values() if is_sharded(parameter) is in_shards]
        decayed = [parameter for parameter in some if parameter.ndim >= 2]
        others = [parameter for parameter in some if parameter.ndim < 2]
        groups += [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], betas=config.betas, foreach=True)
