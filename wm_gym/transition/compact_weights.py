"""Weights in int8: every 32 numbers of a matrix's row share one half-precision scale.

That is 8.5 bits a number. Loaded, they are float32 again; nothing computes in int8.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

GROUP = 32  # a scale for a whole row would be spoilt by the few large channels that language models have
SCALE = "/scale"  # suffix of a scale's name; no module's name holds a slash


def compact(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as int8 with their scales, anything else as it is."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.ndim == 2 and weight.is_floating_point() and weight.shape[1] % GROUP == 0:
            groups = weight.float().unflatten(1, (-1, GROUP))
            scale = (groups.abs().amax(dim=2) / 127).half().clamp(min=2**-24)  # half's smallest number
            tensors[name] = (groups / scale.float()[:, :, None]).round().clamp(-127, 127).to(torch.int8).flatten(1)
            tensors[name + SCALE] = scale
        else:
            tensors[name] = weight.contiguous()
    return tensors


def expand(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `compact` was given, matrices rounded and in float32."""
    return {
        name: _scaled(tensor, tensors[name + SCALE]) if name + SCALE in tensors else tensor
        for name, tensor in tensors.items()
        if not name.endswith(SCALE)
    }


def _scaled(whole: Tensor, scale: Tensor) -> Tensor:
    return (whole.float().unflatten(1, (-1, GROUP)) * scale.float()[:, :, None]).flatten(1)
