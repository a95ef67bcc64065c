"""Gradient checkpointing: blocks keep their inputs alone, and run again in the backward pass.

transformers and diffusers can do so themselves, but the one then drops the cache of past rounds that a training's own
rollouts need, and the other runs a block again when the attention's context is no longer that of its pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from wm_gym.decoder.chunk_attention import ChunkContext, ChunkCrossAttention, ChunkSelfAttention
from wm_gym.training.transformer_blocks import transformer_blocks

_Processor: TypeAlias = ChunkSelfAttention | ChunkCrossAttention


def checkpoint_blocks(module: nn.Module) -> None:
    """Let the transformer blocks of a module keep no activations for the backward pass, in place.

    Losses and gradients are what they were, to the bit on one device.

    Raises:
        TrainingError: the module has no such block.
    """
    for block in transformer_blocks(module, option="gradient_checkpointing"):
        if "forward" not in vars(block):  # once is enough
            block.forward = partial(_checkpointed, _processors(block), block.forward)


def _checkpointed(processors: Sequence[_Processor], forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a block; a pass without gradients has nothing to run again, and one that writes a cache must not."""
    if not torch.is_grad_enabled() or kwargs.get("past_key_values") is not None:
        return forward(*args, **kwargs)
    first = [processor.context for processor in processors]

    def run(*args: Any, **kwargs: Any) -> Any:
        if all(each.context is context for each, context in zip(processors, first, strict=True)):
            return forward(*args, **kwargs)
        with _contexts(processors, [replace(context, written=[]) for context in first]):
            return forward(*args, **kwargs)

    return checkpoint(run, *args, use_reentrant=False, **kwargs)


def _processors(block: nn.Module) -> list[_Processor]:
    """The chunk-causal attention of a block; none in other networks."""
    found = [getattr(each, "processor", None) for each in block.modules()]
    return [each for each in found if isinstance(each, _Processor)]


@contextmanager
def _contexts(processors: Sequence[_Processor], contexts: Sequence[ChunkContext]) -> Iterator[None]:
    """Let each processor have a context inside the block."""
    before = [processor.context for processor in processors]
    for processor, context in zip(processors, contexts, strict=True):
        processor.context = context
    try:
        yield
    finally:
        for processor, context in zip(processors, before, strict=True):
            processor.context = context
