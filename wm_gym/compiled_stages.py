"""`torch.compile` over the stages of a step: an opt-in for those who step long enough to earn its minute back."""

import os
import shutil
import sys
from typing import Any

import torch

from wm_gym.checkpoint import Parts


def compile_stages(parts: Parts, backend: str = "inductor") -> None:
    """Replace the stages of a step by compiled ones, each compiled when it first meets a shape.

    The first batch size compiles for that size alone, the second for any other. Results differ from the plain ones in
    the last bits; a compiled run repeats a compiled run.

    Args:
        parts: the parts of a world model; changed in place, and no longer for training.
        backend: as for `torch.compile`.

    Raises:
        ValueError: on the CPU, without a C++ compiler.
    """
    if backend == "inductor" and parts.transition.device.type == "cpu":
        _check_compiler()
    stages: list[tuple[Any, str]] = [
        (parts.transition, "step"),
        (parts.decoder, "step"),
        (parts.autoencoder, "encode"),
        (parts.autoencoder, "decode"),
        (parts.encoder, "forward"),
        (parts.heads, "forward"),
    ]
    for part, name in stages:
        setattr(part, name, torch.compile(getattr(part, name), backend=backend))


def _check_compiler() -> None:
    """Looks for what torch would call.

    Raises:
        ValueError: it is not there.
    """
    command = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(command) is None:
        raise ValueError(
            f"compiled must be False without a C++ compiler, got True and no {command!r}; install one (Debian: "
            "apt-get install g++), name it in CXX, or leave compiled out"
        )
