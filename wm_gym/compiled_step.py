"""`torch.compile` over a step as one graph: an opt-in for those who step long enough to earn its minute back."""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import torch

from wm_gym.checkpoint import Parts
from wm_gym.decoder.chunk_sampler import ChunkSampler
from wm_gym.world_step import Clock, StepInputs, Stepped, WorldStep, world_step


def compiled_step(device: torch.device, backend: str = "inductor", fullgraph: bool = False) -> WorldStep:
    """`world_step`, compiled when it first meets a shape; on a GPU its kernels are launched as one CUDA graph.

    The first batch size compiles for that size alone, the second for any other. Results differ from the plain ones in
    the last bits; a compiled run repeats a compiled run. Its latencies are those of the whole step.

    Args:
        device: where the weights are.
        backend: as for `torch.compile`.
        fullgraph: refuse what would cut the graph, rather than run the pieces.

    Raises:
        ValueError: on the CPU, without a C++ compiler.
    """
    options: dict[str, Any] = {}
    if backend == "inductor" and device.type == "cpu":
        _check_compiler()
    if backend == "inductor" and device.type == "cuda":
        options = {"triton.cudagraphs": True}
    run: Callable[..., Stepped] = torch.compile(
        world_step, backend=backend, fullgraph=fullgraph, options=options or None
    )

    def step(parts: Parts, sampler: ChunkSampler, inputs: StepInputs, clock: Clock) -> Stepped:
        with clock("step"):
            torch.compiler.cudagraph_mark_step_begin()
            alike = replace(inputs, state=inputs.state.clone())  # one layout, so one graph for forks too
            stepped = run(parts, sampler, alike, _untimed)
            return stepped.clone() if options else stepped  # a CUDA graph's next run overwrites what it gave

    return step


def _untimed(stage: str) -> AbstractContextManager[None]:
    """A clock would cut the graph."""
    return nullcontext()


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
