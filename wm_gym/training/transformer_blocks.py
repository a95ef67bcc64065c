"""The transformer blocks of a module: what is sharded and recomputed whole."""

from typing import Any

from torch import nn

from wm_gym.training.training_checkpoint import TrainingError


def transformer_blocks(module: nn.Module, *, option: str) -> list[nn.Module]:
    """The blocks, in order, of all networks of transformers and diffusers in a module.

    They are the classes that these networks declare as not to be split.

    Args:
        module: to look through.
        option: what asks for them, named where there are none.

    Raises:
        TrainingError: the module has no such block.
    """
    blocks: dict[nn.Module, None] = {}
    for network in module.modules():
        names = _unsplit(network)
        blocks |= {each: None for each in network.modules() if type(each).__name__ in names}
    if not blocks:
        raise TrainingError(
            f"{option} must be given a module with transformer blocks, got a {type(module).__name__} without one; "
            f"train it without {option}"
        )
    return list(blocks)


def _unsplit(network: nn.Module) -> set[str]:
    """The names of the classes that a network declares, itself or through a parent."""
    declared: list[Any] = [vars(each).get("_no_split_modules") for each in type(network).__mro__]
    return {str(name) for names in declared for name in names or ()}
